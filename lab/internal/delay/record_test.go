//go:build linux

package delay

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"
)

// TestTrips counts on a wire of two units' length, of which every packet takes
// one.
func TestTrips(t *testing.T) {
	const u = time.Second
	up := func(sent time.Duration, hops int) Packet {
		return Packet{ToServer: true, Sent: sent, Arrived: sent + u, Hops: hops}
	}
	down := func(sent time.Duration, hops int) Packet {
		return Packet{Sent: sent, Arrived: sent + u, Hops: hops}
	}
	tests := []struct {
		name     string
		record   Record
		from, to time.Duration
		want     float64
	}{
		{"nothing", Record{base: 7}, 0, 9 * u, 0},
		{"a command and its reply", Record{Packets: []Packet{up(0, 0), down(u, 1)}}, 0, 2 * u, 1},
		{"the reply is not there yet", Record{Packets: []Packet{up(0, 0), down(u, 1)}}, 0, 2*u - 1, 0},
		{"a server that thinks", Record{Packets: []Packet{up(0, 0), down(5*u, 1)}}, 0, 9 * u, 1},
		{"two commands at once", Record{Packets: []Packet{up(0, 0), up(0, 0), down(u, 1), down(u, 1)}}, 0, 9 * u, 1},
		{"one after the other", Record{Packets: []Packet{up(0, 0), down(u, 1), up(2*u, 2), down(3*u, 3)}}, 0, 9 * u, 2},
		{"a greeting that nobody asked for", Record{Packets: []Packet{down(0, 0)}}, 0, 9 * u, 0.5},
		{"only what is in between", Record{base: 4, Packets: []Packet{up(0, 4), down(u, 5), up(2*u, 6), down(3*u, 7)}}, 2 * u, 9 * u, 1},
		{"what arrives late of what was before", Record{base: 4, Packets: []Packet{down(0, 4), down(u, 5), up(u, 4), down(2*u, 5)}}, u, 9 * u, 0.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.record.Trips(tt.from, tt.to); got != tt.want {
				t.Errorf("Trips = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSegment(t *testing.T) {
	const (
		// From 10.0.0.1:40000 to 10.0.0.2:21, FIN and "AB".
		fin  = "4500002a0000400040060000" + "0a0000010a000002" + "9c400015" + "00000001" + "00000002" + "5011ffff00000000" + "4142"
		icmp = "4500001c0000400040010000" + "0a0000010a000002" + "0800000000000000"
	)
	tests := []struct {
		name, hex string
		toServer  bool
		want      Packet
		ok        bool
	}{
		{"to the server", fin, true, Packet{ToServer: true, ClientPort: 40000, ServerPort: 21, FIN: true, Len: 2}, true},
		{"to the client", fin, false, Packet{ClientPort: 21, ServerPort: 40000, FIN: true, Len: 2}, true},
		{"cut off", fin[:80], true, Packet{}, false},
		{"not TCP", icmp, true, Packet{}, false},
		{"IPv6", "6" + fin[1:], true, Packet{}, false},
		{"empty", "", true, Packet{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := segment(b, tt.toServer)
			if got != tt.want || ok != tt.ok {
				t.Errorf("segment = %v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestConnections has a control connection, a passive and an active data
// connection, and a listing that is not begun.
func TestConnections(t *testing.T) {
	const control = 21
	r := Record{Packets: []Packet{
		{ToServer: true, ClientPort: 5000, ServerPort: control, SYN: true, Sent: 1, Arrived: 2},
		{ClientPort: 5000, ServerPort: control, SYN: true, Sent: 2, Arrived: 3},
		{ClientPort: 5000, ServerPort: control, Len: 20, Sent: 2, Arrived: 3},
		{ToServer: true, ClientPort: 5001, ServerPort: 6000, SYN: true, Sent: 4, Arrived: 5},
		{ClientPort: 5001, ServerPort: 6000, SYN: true, Sent: 5, Arrived: 6},
		{ClientPort: 5001, ServerPort: 6000, Len: 1448, Sent: 7, Arrived: 8},
		{ClientPort: 5002, ServerPort: 20, SYN: true, Sent: 9, Arrived: 10},
		{ToServer: true, ClientPort: 5002, ServerPort: 20, SYN: true, Sent: 10, Arrived: 11},
	}}
	if start, ok := r.Start(); start != 1 || !ok {
		t.Errorf("Start = %v, %v", start, ok)
	}
	if first, ok := r.FirstData(control); first != 8 || !ok {
		t.Errorf("FirstData = %v, %v, want 8", first, ok)
	}
	if data, want := r.Data(control), []time.Duration{4, 9}; !slices.Equal(data, want) {
		t.Errorf("Data = %v, want %v", data, want)
	}
	if n := r.Connections(control); n != 1 {
		t.Errorf("Connections = %v, want 1", n)
	}
	if _, ok := (Record{}).Start(); ok {
		t.Error("an empty record has a start")
	}
}

//go:build linux

package delay

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

const testRTT = 40 * time.Millisecond

// TestRoundTrip echoes bytes over the wire, one after the other.
func TestRoundTrip(t *testing.T) {
	conn, w := echo(t)
	const echoes = 15
	var took []time.Duration
	from := Now()
	for range echoes {
		start := time.Now()
		if _, err := conn.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	if got := w.Record().Trips(from, Now()); got != echoes {
		t.Errorf("%v round trips were counted, want %v", got, echoes)
	}
	slices.Sort(took)
	// The shortest shows what the wire does, the others what this machine is
	// busy with.
	if shortest := took[0]; shortest < testRTT || shortest > testRTT+time.Millisecond {
		t.Errorf("an echo took %v at least, want %v", shortest, testRTT)
	}
	t.Logf("%v at least, %v in the middle, %v at most", took[0], took[echoes/2], took[echoes-1])
}

// TestBulk sends more than the queues of the devices hold at once.
func TestBulk(t *testing.T) {
	conn, w := echo(t)
	sent := make([]byte, 4<<20)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		written <- err
	}()
	got := make([]byte, len(sent))
	_, err := io.ReadFull(conn, got)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, sent) {
		t.Error("what came back is not what was sent")
	}
	total := 0
	for _, p := range w.Record().Packets {
		if p.ToServer {
			total += p.Len
		}
	}
	// What was lost would have been sent again: a queue that overflows loses a
	// window's worth. On a busy machine TCP sends a last packet again that it only
	// believes to be lost (RFC 8985, 7), which is none of the wire's.
	const probes = 16 << 10
	if total < len(sent) || total > len(sent)+probes {
		t.Errorf("%d bytes crossed, want %d", total, len(sent))
	}
}

// echo returns a connection over a wire to a server that sends back what it
// gets.
func echo(t *testing.T) (net.Conn, *Wire) {
	t.Helper()
	labtest.Need(t, netns.Check())
	pair, err := netns.BuildPair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pair.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w, err := Lay(t.Context(), pair, testRTT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	listener := listen(t, pair)
	var conn net.Conn
	err = pair.Client.Do(func() (err error) {
		conn, err = net.Dial("tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, w
}

// listen accepts one connection and serves it.
func listen(t *testing.T, pair *netns.Pair) net.Listener {
	t.Helper()
	var listener net.Listener
	err := pair.Server.Do(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(pair.ServerAddr.String(), "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		io.Copy(conn, struct{ io.Reader }{conn})
		conn.Close()
	}()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	return listener
}

package memnet_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestLossy: what is lost comes late and whole, as often as it should, and the same
// each time.
func TestLossy(t *testing.T) {
	const rtt = 100 * time.Millisecond
	run := func(rate float64) (connects, echoes []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New(memnet.Config{Latency: rtt / 2, Lossy: memnet.Lossy{Rate: rate, Seed: 7}})
			defer n.Close()
			w := &world{t: t, net: n}
			server, client := n.Host("server", serverPublic), n.Host("client", clientPrivate)
			l := w.listen(server, ":21")
			for range 1000 {
				start := time.Now()
				c, s := w.connect(client, "server:21", l)
				connects = append(connects, time.Since(start))
				start = time.Now()
				w.send(c, "one\r\n")
				buf := make([]byte, 5)
				if _, err := io.ReadFull(s, buf); err != nil {
					t.Fatal(err)
				}
				w.send(s, "two\r\n")
				if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "two\r\n" {
					t.Fatalf("%q, %v", buf, err)
				}
				echoes = append(echoes, time.Since(start))
				c.Close()
				s.Close()
			}
		})
		return connects, echoes
	}
	late := func(all []time.Duration, by time.Duration) (n int) {
		for _, d := range all {
			if d >= by {
				n++
			}
		}
		return n
	}
	connects, echoes := run(0.1)
	// One of three packets is lost, the last of a handshake among them, or of two.
	if n := late(connects, time.Second); n < 230 || n > 310 {
		t.Errorf("%d of 1,000 connections came late, want about 271", n)
	}
	if n := late(echoes, rtt+300*time.Millisecond); n < 150 || n > 230 {
		t.Errorf("%d of 1,000 echoes came late, want about 190", n)
	}
	if again, too := run(0.1); !slices.Equal(connects, again) || !slices.Equal(echoes, too) {
		t.Error("the second time it was not the same")
	}
	if connects, echoes := run(0); late(connects, 2*rtt)+late(echoes, 2*rtt) > 0 {
		t.Error("something came late where nothing is lost")
	}
}

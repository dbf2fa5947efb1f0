package ftpnat_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestNextByte has the session killed in the middle of a file, and counts the round
// trips until its next byte is there.
func TestNextByte(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Personality = p
				s.Limits.Rate = 100_000
				s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 70_000, Kind: ftptest.Reset}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "").WithContext(w.ctx)
				f, err := fsys.Open("pub/file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				var got []byte
				longest, buf := time.Duration(0), make([]byte, 32<<10)
				for {
					start := time.Now()
					n, err := f.Read(buf)
					if took := time.Since(start); len(got) > 0 && took > longest {
						longest = took
					}
					got = append(got, buf[:n]...)
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(got, content) {
					t.Errorf("%d other bytes", len(got))
				}
				// TCP, the login with EPSV, what the file is, REST and RETR.
				if longest > 5*rtt {
					t.Errorf("the next byte came after %v round trips", float64(longest)/float64(rtt))
				}
			})
		})
	}
}

// TestRestRefusedAlong has a server refuse the REST that came with RETR: not a byte
// of what follows is taken for what was asked for.
func TestRestRefusedAlong(t *testing.T) {
	for _, reply := range []string{"501 No.", "450 Not now."} {
		s := setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "REST", Nth: 2, Reply: reply}}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			f, err := w.openFS(t, "").WithContext(w.ctx).Open("pub/file.bin")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, at := range []int64{150_000, 50_000, 0} {
				if _, err := f.(io.Seeker).Seek(at, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 1000)
				n, err := io.ReadFull(f, buf)
				if !bytes.Equal(buf[:n], content[at:at+int64(n)]) {
					t.Fatalf("%q: %d other bytes at %d", reply, n, at)
				}
				if at == 50_000 && err == nil {
					t.Errorf("%q: no error", reply)
				}
				if at != 50_000 && err != nil {
					t.Errorf("%q: at %d: %v", reply, at, err)
				}
			}
		})
	}
}

// TestSilentData has a data connection go silent in the middle of a file: a box on
// the way has forgotten it.
func TestSilentData(t *testing.T) {
	for _, c := range []struct {
		name  string
		mode  ftpnat.Mode
		keep  net.KeepAliveConfig
		after time.Duration
	}{
		{"default", ftpnat.EPSV, net.KeepAliveConfig{}, 18 * time.Second},
		{"count", ftpnat.EPSV, net.KeepAliveConfig{Enable: true, Count: 2}, 9 * time.Second},
		{"none", ftpnat.EPSV, net.KeepAliveConfig{Idle: -1}, 2 * time.Minute},
		{"active", ftpnat.PORT, net.KeepAliveConfig{}, 18 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost := &silentOnce{after: 70_000}
			s := setup{
				near:   []memnet.Box{memnet.Tap{OnSegment: lost.segment}},
				dialer: func(d *ftpnat.Dialer) { d.Modes, d.KeepAliveConfig = []ftpnat.Mode{c.mode}, c.keep },
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				f, err := w.openFS(t, "").WithContext(w.ctx).Open("pub/file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				start := time.Now()
				got, err := io.ReadAll(f)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if took := time.Since(start); took < c.after || took > c.after+2*time.Second {
					t.Errorf("took %v, want %v and some round trips", took, c.after)
				}
			})
		})
	}
}

// silentOnce loses all that follows some bytes on the first connection that brings as
// many.
type silentOnce struct {
	after int
	dead  memnet.Crossing
	got   map[memnet.Crossing]int
}

func (s *silentOnce) segment(c memnet.Crossing, _ memnet.End, payload []byte) memnet.Action {
	if s.got == nil {
		s.got = make(map[memnet.Crossing]int)
	}
	s.got[c] += len(payload)
	if s.dead == (memnet.Crossing{}) && s.got[c] > s.after {
		s.dead = c
	}
	if c == s.dead {
		return memnet.Swallow
	}
	return memnet.Relay
}

package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stubClient is a gateway in virtual time.
type stubClient struct {
	begin    time.Time
	answer   func(call int, ctx context.Context) (grant, error)
	unmapErr error

	mu               sync.Mutex
	mapped, unmapped []time.Duration // when
	requests         []request
}

func (c *stubClient) mapPort(ctx context.Context, r request) (grant, error) {
	c.mu.Lock()
	c.mapped = append(c.mapped, time.Since(c.begin))
	c.requests = append(c.requests, r)
	call := len(c.mapped)
	c.mu.Unlock()
	return c.answer(call, ctx)
}

func (c *stubClient) unmap(_ context.Context, r request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unmapped = append(c.unmapped, time.Since(c.begin))
	c.requests = append(c.requests, r)
	return c.unmapErr
}

var (
	stubGateway = netip.MustParseAddr("192.168.1.1")
	stubPublic  = netip.MustParseAddrPort("198.41.0.99:4021")
	stubLocal   = netip.MustParseAddrPort("192.168.1.2:4021")
)

// stubbed returns a Mapper that knows a gateway which answers with the grants
// in turn, and with the last one from then on.
func stubbed(grants ...grant) (*Mapper, *stubClient) {
	c := &stubClient{begin: time.Now(), answer: func(call int, _ context.Context) (grant, error) {
		g := grants[min(call, len(grants))-1]
		if g.lifetime < 0 {
			return grant{}, errNoAnswer
		}
		return g, nil
	}}
	m := &Mapper{Gateway: stubGateway}
	m.remember(stubGateway, &experience{protocol: PCP, client: c})
	return m, c
}

func seconds(s ...int) []time.Duration {
	var d []time.Duration
	for _, n := range s {
		d = append(d, time.Duration(n)*time.Second)
	}
	return d
}

func TestRenewal(t *testing.T) {
	good := grant{public: stubPublic, lifetime: 800 * time.Second}
	silent := grant{lifetime: -1}
	moved := grant{public: netip.MustParseAddrPort("198.41.0.99:9"), lifetime: 800 * time.Second}
	forever := grant{public: stubPublic}
	blink := grant{public: stubPublic, lifetime: time.Second}
	tests := []struct {
		name     string
		grants   []grant
		use      time.Duration
		mapped   []time.Duration
		unmapped time.Duration
		err      string
	}{
		{"three times", []grant{good}, 1000 * time.Second, seconds(0, 300, 600, 900), 1000 * time.Second, ""},
		{"one renewal lost", []grant{good, silent, good}, 600 * time.Second,
			[]time.Duration{0, 300 * time.Second, 487500 * time.Millisecond}, 600 * time.Second, ""},
		{"moved", []grant{good, moved}, 1000 * time.Second, seconds(0, 300), 300 * time.Second,
			"the gateway has moved it from 198.41.0.99:4021 to 198.41.0.99:9"},
		{"permanent", []grant{forever}, 100000 * time.Second, seconds(0), 100000 * time.Second, ""},
		{"a lifetime that is too short", []grant{blink}, 10 * time.Second, seconds(0, 4, 8), 10 * time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c := stubbed(tt.grants...)
				defer m.Close()
				mapping, err := m.Map(t.Context(), stubLocal)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.use) // in virtual time
				err = mapping.Release()
				if text(err) != tt.err {
					t.Errorf("Release: %q, want %q", text(err), tt.err)
				}
				if !slices.Equal(c.mapped, tt.mapped) || !slices.Equal(c.unmapped, []time.Duration{tt.unmapped}) {
					t.Errorf("asked at %v and released at %v, want %v and %v", c.mapped, c.unmapped, tt.mapped, tt.unmapped)
				}
				for _, r := range c.requests[1:] {
					if r.nonce != c.requests[0].nonce || r.public != stubPublic || r.local != stubLocal {
						t.Errorf("a later request is %+v, want that of the first for %v", r, stubPublic)
					}
				}
			})
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestRenewalInVain is a gateway that falls silent for good.
func TestRenewalInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := stubbed(grant{public: stubPublic, lifetime: 100 * time.Second}, grant{lifetime: -1})
		mapping, err := m.Map(t.Context(), stubLocal)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if last := c.mapped[len(c.mapped)-1]; last < 95*time.Second || last > 100*time.Second || len(c.mapped) > 12 {
			t.Errorf("asked at %v, want about ten times and until the end at 100s", c.mapped)
		}
		if err := mapping.Release(); !errors.Is(err, errNoAnswer) || !strings.HasPrefix(text(err), "it could not be renewed") {
			t.Errorf("Release: %v, want that it could not be renewed", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v, want nil for what was released before", err)
		}
	})
}

// TestClose closes with mappings in use, and reports what could not be given
// back.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := stubbed(grant{public: stubPublic, lifetime: time.Hour})
		c.unmapErr = errNoAnswer
		for range 2 {
			if _, err := m.Map(t.Context(), stubLocal); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := m.Close(); text(err) != "no answer\nno answer" {
			t.Errorf("Close: %v, want no answer for each of two", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// TestCancelled sees that what may have been mapped is given back.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := stubbed(grant{})
		c.answer = func(_ int, ctx context.Context) (grant, error) {
			<-ctx.Done()
			return grant{}, errNoAnswer
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := m.Map(ctx, stubLocal); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Map: %v, want context.DeadlineExceeded", err)
		}
		m.Close()
		if len(c.unmapped) != 1 {
			t.Errorf("given back %d times, want once", len(c.unmapped))
		}
	})
}

// TestRestart is a gateway that forgets its mappings, which the answer for one
// of them tells; the other is renewed at once.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := grant{public: stubPublic, lifetime: 8000 * time.Second, epoch: 70000, hasEpoch: true}
		m, c := stubbed(old)
		defer m.Close()
		c.answer = func(call int, _ context.Context) (grant, error) {
			g := old
			g.epoch += uint32(time.Since(c.begin) / time.Second)
			if call > 2 {
				g.epoch -= 70000
			}
			return g, nil
		}
		for range 2 {
			if _, err := m.Map(t.Context(), stubLocal); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Second)
			synctest.Wait()
		}
		if _, err := m.Map(t.Context(), stubLocal); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if want := seconds(0, 100, 200, 200, 200); !slices.Equal(c.mapped, want) {
			t.Errorf("asked at %v, want %v", c.mapped, want)
		}
	})
}

// TestHopeless sees how long a gateway is left alone that can do nothing.
func TestHopeless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(Mapper)
		failed := errors.New("no")
		m.remember(stubGateway, &experience{err: failed, until: time.Now().Add(hopelessFor)})
		if _, err := m.recall(stubGateway); err != failed {
			t.Errorf("at once: %v, want %v", err, failed)
		}
		time.Sleep(hopelessFor)
		if x, err := m.recall(stubGateway); x != nil || err != nil {
			t.Errorf("after %v: %v, %v; want nothing", hopelessFor, x, err)
		}
	})
}

func TestEpoch(t *testing.T) {
	begin := time.Unix(1e9, 0)
	tests := []struct {
		ours, theirs int // seconds since the first reading
		want         bool
	}{
		{0, 0, true},
		{100, 100, true},
		{0, -1, true},
		{100, -2, false},
		{100, 96, true},
		{100, 91, false},
		{100, 105, true},
		{100, 110, false},
		{86400, 86400, true},
		{86400, 80998, true},
		{86400, 80900, false},
		{86400, 0, false},
	}
	for _, tt := range tests {
		first := epoch{1000, begin}
		now := epoch{uint32(1000 + tt.theirs), begin.Add(time.Duration(tt.ours) * time.Second)}
		if got := now.continues(first); got != tt.want {
			t.Errorf("%d s here and %d s there: %v, want %v", tt.ours, tt.theirs, got, tt.want)
		}
	}
	if !(epoch{5, begin}).continues(epoch{}) {
		t.Error("the first reading continues nothing and is taken for a restart")
	}
}

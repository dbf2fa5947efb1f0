package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestHeadStart asks for the port of the first transfer while what FEAT says is on its
// way, where commands may be sent early and the first step is a passive one.
func TestHeadStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(s *setup)
		prep  func(c *client)
		early bool
	}{
		{"as it comes", nil, nil, true},
		{"FEAT is there", func(s *setup) { s.late = false }, nil, false},
		{"one by one", func(s *setup) { s.cfg = func(c *Config) { c.OneByOne = true } }, nil, false},
		{"active", func(s *setup) { s.path = func(c *path.Config) { c.Modes = []proto.Mode{proto.PORT} } }, nil, false},
		{"a login was lost", nil, func(c *client) { c.sess.Lose(1) }, false},
	} {
		p := ftptest.VSFTPD()
		p.Control.Delays = map[string]time.Duration{"FEAT": rtt / 2}
		s := script(p)
		s.late = true
		if c.set != nil {
			c.set(&s)
		}
		run(t, s, func(w *world) {
			w.with(func(cl *client) {
				if c.prep != nil {
					c.prep(cl)
				}
				w.must(cl.get())
				log := w.log.String()
				asked := strings.Index(log, "> EPSV")
				if early := asked >= 0 && asked < strings.Index(log, "< 211"); early != c.early || cl.port != nil {
					w.Errorf("%s: early %v, want %v", c.name, early, c.early)
				}
				if n := w.said("PORT") + w.said("EPSV"); n != 1 && (n != 2 || c.early) {
					w.Errorf("%s: asked %d times: %v", c.name, n, w.sent)
				}
				if n := w.said("PORT"); n > 1 {
					w.Errorf("%s: PORT was sent %d times", c.name, n)
				}
				if bad := w.failures(); len(bad) > 0 {
					w.Error(bad)
				}
			})
		})
	}
}

// TestHeadStartOnce asks for no second port where the login has brought one along.
func TestHeadStartOnce(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Control.Delays = map[string]time.Duration{"FEAT": rtt / 2}
	s := script(p)
	s.late = true
	run(t, s, func(w *world) {
		proven(w)
		w.with(func(c *client) {
			w.must(c.fetch(Request{Line: "RETR file"}, small))
			if n := w.said("EPSV"); n != 1 {
				w.Errorf("%d EPSV", n)
			}
		})
	})
}

// TestTrialLost opens no data connection for a trial whose control connection is gone.
func TestTrialLost(t *testing.T) {
	dials := 0
	s := script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 2, Then: ftptest.Reset})
	s.cfg = func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, network, addr)
		}
	}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.fetch(Request{Line: "RETR file"}, small))
			w.must(c.fetch(Request{Line: "RETR file"}, small))
			if w.said("NOOP") != 1 || dials != 2 || w.conns() != 2 {
				w.Errorf("%d data connections, %d control connections: %v", dials, w.conns(), w.verbs(1))
			}
			a := &fastAttempt{attempt: c.attempt(Request{Line: "RETR file"}, plan.Step{Mode: proto.EPSV, Source: plan.Peer}, plan.Quick(rtt, c.cfg.Attempt))}
			c.sess.Drop(w.ctx, errOops)
			var f *fault
			if err := a.tryOut(w.ctx, newTransfer(a.attempt), "198.51.100.10:1"); !errors.As(err, &f) || f.cause != proto.ControlReset {
				w.Error(err)
			}
		})
	})
}

// TestLeftOut tries a step in the last pass that was left out of the one before, as
// another of its mode met silence there.
func TestLeftOut(t *testing.T) {
	s := script(ftptest.VSFTPD(), ftptest.Step{On: "PASV", Nth: 3, Reply: ftptest.None}, ftptest.Step{On: "PASV", Reply: "227 Entering (192,0,2,7,19,136)"})
	s.path = func(c *path.Config) {
		c.Modes, c.Trust = []proto.Mode{proto.PASV}, func(_, _ netip.Addr) bool { return true }
	}
	s.cfg = func(c *Config) {
		c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			if err := c.get(); !proto.IsNegotiate(err) {
				w.Error(err)
			}
			var to []string
			for _, a := range c.Attempts() {
				to = append(to, fmt.Sprint(a.Used.Addr(), " ", a.Cause))
			}
			lost, silent := fmt.Sprint(" ", proto.DialTimeout), fmt.Sprint(" ", proto.ControlSilent)
			want := []string{"198.51.100.10" + lost, "192.0.2.7" + lost, "invalid IP" + silent, "198.51.100.10" + lost, "192.0.2.7" + lost}
			if !slices.Equal(to, want) {
				w.Errorf("%v, want %v", to, want)
			}
		})
	})
}

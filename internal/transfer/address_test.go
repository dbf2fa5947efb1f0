package transfer

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestAddressTold decides where to dial by what the server tells.
func TestAddressTold(t *testing.T) {
	const peer = "198.51.100.10"
	reply := func(code int, text string) proto.Reply { return proto.Reply{Code: code, Lines: []string{text}} }
	for _, c := range []struct {
		name   string
		r      proto.Reply
		source plan.Source
		want   string // empty if it is a fault
		cause  proto.Cause
		notes  int
	}{
		{"EPSV", reply(229, "Extended (|||5000|)"), plan.Peer, peer + ":5000", 0, 0},
		{"PASV, its own address", reply(227, "Passive (198,51,100,10,19,136)"), plan.Peer, peer + ":5000", 0, 0},
		{"PASV, another address", reply(227, "Passive (10,0,0,9,19,136)"), plan.Peer, peer + ":5000", 0, 1},
		{"PASV, its own address, which was tried", reply(227, "Passive (198,51,100,10,19,136)"), plan.Advertised, "", proto.NoAddress, 0},
		{"PASV, an address of its site", reply(227, "Passive (10,0,0,9,19,136)"), plan.Advertised, "", proto.BadAddress, 0},
		{"PASV, this machine", reply(227, "Passive (127,0,0,1,19,136)"), plan.Advertised, "", proto.BadAddress, 0},
		{"PASV, another that may be dialled", reply(227, "Passive (192,0,2,7,19,136)"), plan.Advertised, "192.0.2.7:5000", 0, 0},
		{"PASV, a service of another", reply(227, "Passive (192,0,2,7,3,255)"), plan.Advertised, "", proto.BadAddress, 0},
		{"PASV, the first port that may be", reply(227, "Passive (192,0,2,7,4,0)"), plan.Advertised, "192.0.2.7:1024", 0, 0},
		{"no address", reply(229, "Fine."), plan.Peer, "", proto.BadAddress, 0},
		{"no numbers", reply(227, "Fine."), plan.Peer, "", proto.BadAddress, 0},
		{"another reply", reply(200, "Passive (198,51,100,10,19,136)"), plan.Peer, "", proto.BadAddress, 0},
	} {
		s := setup{path: func(p *path.Config) {
			p.Trust = func(_, addr netip.Addr) bool { return addr == netip.MustParseAddr("192.0.2.7") }
		}}
		run(t, s, func(w *world) {
			w.with(func(cl *client) {
				a := &attempt{e: cl.Engine, step: plan.Step{Mode: proto.PASV, Source: c.source}}
				before := len(w.notes)
				err := a.locate(w.ctx, c.r)
				var f *fault
				switch {
				case c.want == "" && (!errors.As(err, &f) || f.cause != c.cause || a.Used.IsValid()):
					w.Errorf("%s: %v, to %s", c.name, err, a.target())
				case c.want != "" && (err != nil || a.target() != c.want):
					w.Errorf("%s: %v, to %s", c.name, err, a.target())
				}
				if n := len(w.notes) - before; n != c.notes {
					w.Errorf("%s: %d notes", c.name, n)
				}
				a = &attempt{e: cl.Engine}
				a.Advertised = netip.MustParseAddrPort("10.0.0.9:5000")
				if got := a.target(); got != "ftp.example.com:5000" {
					w.Errorf("%s is dialled where no address is known", got)
				}
			})
		})
	}
}

// TestNoSizeTwice has a server that tells no size, over TLS and in the clear: what ends
// as it did before is whole, by what the server says, and that is noted.
func TestNoSizeTwice(t *testing.T) {
	for name, s := range places(t) {
		if name == "active" || name == "one by one" {
			continue
		}
		ftp := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			ftp(srv)
			srv.Script = []ftptest.Step{{On: "RETR", Preliminary: "150 Here."}, {On: "SIZE", Reply: "500 What?"}}
		}
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				for range 3 {
					before := len(w.notes)
					if err := c.fetch(Request{Line: "RETR file", Check: SIZE}, small); err != nil {
						w.Errorf("%s: %v", name, err)
					}
					told := false
					for _, n := range w.notes[before:] {
						told = told || strings.Contains(n, "tells no size")
					}
					if !told {
						w.Errorf("%s: that no size was told is not noted", name)
					}
				}
				if n := w.said("SIZE"); n > 2 {
					w.Errorf("%s: SIZE was sent %d times to a server that does not know it", name, n)
				}
			})
		})
	}
}

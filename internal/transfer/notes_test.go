package transfer

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestNotes tells the trace of what was done otherwise than usual, and of nothing else.
func TestNotes(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	queued := ftptest.VSFTPD()
	queued.Control.During = ftptest.Refuse
	wall := memnet.InboundOnly(memnet.Drop, memnet.Port(21))
	wall.FTPHelper = true
	together := ftptest.Pyftpdlib()
	together.Control.Coalesce = time.Millisecond
	one := func(s setup) setup {
		s.cfg = func(c *Config) { c.OneByOne = true }
		return s
	}
	overTLS := func(s setup, change func(s *ftptest.Server)) setup {
		ftp := s.ftp
		s.tls = &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}
		s.ftp = func(s *ftptest.Server) { ftp(s); s.TLS = cert.Server; change(s) }
		return s
	}
	active := script(ftptest.VSFTPD())
	active.path = func(c *path.Config) { c.Modes = []proto.Mode{proto.PORT} }
	active.near = []memnet.Box{memnet.NAT{Public: netip.MustParseAddr("203.0.113.7")}}
	checked := func(c *client) error { return c.fetch(Request{Line: "RETR file", Check: SIZE}, small) }
	for _, c := range []struct {
		note string // empty if there is to be none
		set  setup
		do   func(c *client) error
	}{
		{"", setup{}, (*client).gets},
		{"", setup{}, (*client).puts},
		{"", script(ftptest.Plain(), ftptest.Step{On: "RETR", Preliminary: "150 Here."}), checked},
		{"", script(ftptest.Plain(), ftptest.Step{On: "RETR", Preliminary: "150 Here."}), func(c *client) error {
			c.w.must(c.w.srv.Tree.WriteFile("empty", nil, 0o644))
			return c.fetch(Request{Line: "RETR empty", Check: SIZE}, nil)
		}},
		{"", overTLS(script(ftptest.VSFTPD()), func(*ftptest.Server) {}), checked},
		{"EPSV: once more, one command at a time", script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 3, Then: ftptest.Reset}), (*client).gets},
		{"EPSV: once more: ", one(script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 1, Reply: "425 Use PORT or PASV first."})), (*client).get},
		{"EPSV, sent ahead of need: ", script(ftptest.VSFTPD(), ftptest.Step{On: "EPSV", Nth: 3, Reply: "500 Now?"}), (*client).gets},
		{"the server does not keep commands", script(queued), func(c *client) error {
			for range 10 {
				_ = c.get()
			}
			return nil
		}},
		{"what is sent ahead of need opens no data connections here", setup{far: []memnet.Box{wall}, ftp: func(s *ftptest.Server) { s.Personality = together }}, func(c *client) error {
			w := c.w
			w.must(c.get())
			w.must(c.asked())
			return c.asked()
		}},
		{"did not answer at once: the server is asked for another port", setup{far: []memnet.Box{wall}, ftp: func(s *ftptest.Server) { s.Personality = together }}, func(c *client) error {
			c.w.must(c.get())
			return c.asked()
		}},
		{"port 5060 belongs to SIP", script(ftptest.VSFTPD(), ftptest.Step{On: "EPSV", Nth: 1, Reply: "229 Here (|||5060|)"}), (*client).get},
		{"the address 10.0.0.9 in the 227 is not the server's: 198.51.100.10 is dialled", script(ftptest.VSFTPD().Saying("pasv", "227 Here (10,0,0,9,{p1},{p2})"), ftptest.Step{On: "EPSV", Reply: "500 What?"}, ftptest.Step{On: "PASV", Reply: "227 Here (10,0,0,9,19,136)"}), func(c *client) error {
			_ = c.get() // nobody listens there
			return nil
		}},
		{"PRET is in FEAT and not known", script(pret(), ftptest.Step{On: "PRET", Reply: "500 What?"}), func(c *client) error {
			_ = c.get()
			return nil
		}},
		{"the server tells no size", script(ftptest.Plain(), ftptest.Step{On: "RETR", Preliminary: "150 Here."}, ftptest.Step{On: "SIZE", Reply: "500 What?"}), checked},
		{"the data ended without a close_notify", overTLS(script(ftptest.VSFTPD()), func(s *ftptest.Server) { s.Personality.TLS.NoNotify = true }), checked},
		{"the end of the upload could not be sent", overTLS(script(ftptest.VSFTPD()), func(s *ftptest.Server) { s.Personality.Data.KeepUpload = true }), func(c *client) error {
			tr, err := c.Open(c.w.ctx, Request{Line: "STOR up"})
			c.w.must(err)
			ctx, cancel := context.WithTimeout(c.w.ctx, latency/2)
			defer cancel()
			tr.CloseData(ctx)
			tr.Cut(c.w.ctx, errOops)
			return nil
		}},
		{"the server sees this machine as 203.0.113.7", active, func(c *client) error {
			_, err := c.SeenAddr(c.w.ctx)
			return err
		}},
		{"the probe ends early: the time was up", setup{}, func(c *client) error {
			ctx, cancel := context.WithTimeout(c.w.ctx, rtt)
			defer cancel()
			_, err := c.Probe(ctx)
			if err == errTimeUp {
				return nil
			}
			return err
		}},
		{"the server does not tell how it sees this machine: ", script(ftptest.VSFTPD(), ftptest.Step{On: "STAT", Then: ftptest.Reset}), func(c *client) error {
			_, err := c.Probe(c.w.ctx)
			return err
		}},
	} {
		run(t, c.set, func(w *world) {
			w.with(func(cl *client) {
				w.must(c.do(cl))
				if c.note == "" && len(w.notes) > 0 || !w.noted(c.note) && c.note != "" {
					w.Errorf("noted %q, want %q", w.notes, c.note)
				}
			})
		})
	}
}

package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// ended opens a download, reads it to its end and returns what End says.
func (c *client) ended(req Request) (n int64, err error) {
	t, err := c.Open(c.w.ctx, req)
	if err != nil {
		return 0, err
	}
	if n, err = io.Copy(io.Discard, t); err == nil {
		err = io.EOF
	}
	return n, t.End(c.w.ctx, err)
}

// TestEndDownload ends downloads by what the server says and what has come.
func TestEndDownload(t *testing.T) {
	cut := ftptest.Fault{On: ftptest.Data, Dir: ftptest.Sent, After: 1000, Kind: ftptest.Cut}
	reset := cut
	reset.Kind = ftptest.Reset
	says := func(verb, final string) []ftptest.Step { return []ftptest.Step{{On: verb, Final: final}} }
	lost := []ftptest.Step{{On: "RETR", Final: ftptest.None, Then: ftptest.Cut}}
	file := Request{Line: "RETR file"}
	checked := Request{Line: "RETR file", Check: "SIZE file"}
	for _, c := range []struct {
		name  string
		steps []ftptest.Step
		fault ftptest.Fault
		req   Request
		want  error // io.EOF for a whole download
		code  int
	}{
		{name: "whole", req: checked, want: io.EOF},
		{name: "426 at the end", steps: says("RETR", "426 Failed."), req: file, code: 426},
		{name: "250 at the end", steps: says("RETR", "250 Done."), req: file, want: io.EOF},
		{name: "no verdict", steps: lost, req: file, want: proto.ErrNoVerdict},
		{name: "a listing cut short", steps: says("LIST", "226 Output truncated to 1 match."), req: Request{Line: "LIST"}, want: proto.ErrTruncated},
		{name: "a file that is called so", steps: says("RETR", "226 truncated: done."), req: file, want: io.EOF},
		{name: "cut short, and called complete", steps: says("RETR", "226 Done."), fault: cut, req: checked, want: proto.ErrShort},
		{name: "cut short, and nobody asks", steps: says("RETR", "226 Done."), fault: cut, req: file, want: io.EOF},
		{name: "cut short, and the size is known", steps: append(says("RETR", "226 Done."), ftptest.Step{On: "RETR", Preliminary: "150 Here."}), fault: cut, req: Request{Line: "RETR file", Known: 4800, Check: "SIZE file"}, want: proto.ErrShort},
		{name: "another size than the 150 told", steps: []ftptest.Step{{On: "RETR", Preliminary: "150 Here (99 bytes)."}}, req: checked, want: io.EOF},
		{name: "the size cannot be told", steps: append(says("RETR", "226 Done."), ftptest.Step{On: "SIZE", Reply: "550 No."}), fault: cut, req: checked, want: proto.ErrShort},
		{name: "reset, and 426", steps: says("RETR", "426 Failed."), fault: reset, req: file, code: 426},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Script = c.steps
				if c.fault.Kind != ftptest.Keep {
					s.Faults = []ftptest.Fault{c.fault}
				}
			}}
			run(t, s, func(w *world) {
				w.with(func(cl *client) {
					_, err := cl.ended(c.req)
					if c.want != nil && !errors.Is(err, c.want) || code(err) != c.code {
						w.Errorf("%v, want %v or a %d", err, c.want, c.code)
					}
				})
			})
		})
	}
}

// TestEndPreliminary has a server whose last word on a download that was reset is
// another 150, as Pure-FTPd's may be: nothing else is waited for, for long.
func TestEndPreliminary(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 1000, Kind: ftptest.Reset}}
		s.Script = []ftptest.Step{{On: "RETR", Nth: 1, Final: "150 Aborted."}}
	}}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			start := time.Now()
			_, err := c.ended(Request{Line: "RETR file"})
			if took := time.Since(start); !errors.Is(err, syscall.ECONNRESET) || took > 5*time.Second {
				w.Errorf("%v after %v", err, took)
			}
			w.must(c.get())
		})
	})
}

// TestEndUnsigned counts what came over TLS without a closure alert.
func TestEndUnsigned(t *testing.T) {
	for _, c := range []struct {
		after int64
		check string
		want  error
	}{{1 << 20, "SIZE file", io.EOF}, {3000, "SIZE file", proto.ErrShort}, {3000, "", io.EOF}} {
		s := secured(t, func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Preliminary: "150 Here.", Final: "226 Done."}}
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: c.after, Kind: ftptest.Cut}}
		})
		run(t, s, func(w *world) {
			w.with(func(cl *client) {
				if n, err := cl.ended(Request{Line: "RETR file", Check: c.check}); !errors.Is(err, c.want) {
					w.Errorf("cut after %d: %d bytes, %v, want %v", c.after, n, err, c.want)
				}
			})
		})
	}
}

// TestSend uploads from readers.
func TestSend(t *testing.T) {
	big := bytes.Repeat(small, 100)
	for _, c := range []struct {
		name  string
		steps []ftptest.Step
		max   int64
		from  func() io.Reader
		want  error
		code  int
	}{
		{name: "whole", from: func() io.Reader { return bytes.NewReader(big) }},
		{name: "the reader fails", from: func() io.Reader { return io.MultiReader(bytes.NewReader(big[:9000]), iotest.ErrReader(errOops)) }, want: errOops},
		{name: "the disk is full", max: 10_000, from: func() io.Reader { return bytes.NewReader(big) }, code: 552},
		{name: "426 at the end", steps: []ftptest.Step{{On: "STOR", Final: "426 Failed."}}, from: func() io.Reader { return bytes.NewReader(big) }, code: 426},
		{name: "no verdict", steps: []ftptest.Step{{On: "STOR", Final: ftptest.None, Then: ftptest.Cut}}, from: func() io.Reader { return bytes.NewReader(big) }, want: proto.ErrNoVerdict},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, setup{ftp: func(s *ftptest.Server) { s.Script, s.Limits.MaxFileSize = c.steps, c.max }}, func(w *world) {
				w.with(func(cl *client) {
					tr, err := cl.Open(w.ctx, Request{Line: "STOR up"})
					w.must(err)
					err = tr.Send(w.ctx, c.from())
					if c.want != nil && !errors.Is(err, c.want) || code(err) != c.code || (err == nil) != (c.want == nil && c.code == 0) {
						w.Errorf("%v, want %v or a %d", err, c.want, c.code)
					}
					if err == nil {
						w.has("up", big)
					}
					w.must(cl.gets())
				})
			})
		})
	}
}

// TestEndContext gives the control connection up with a transfer whose context
// has ended.
func TestEndContext(t *testing.T) {
	for _, line := range []string{"RETR file", "STOR up"} {
		run(t, setup{}, func(w *world) {
			w.with(func(c *client) {
				tr, err := c.Open(w.ctx, Request{Line: line})
				w.must(err)
				ctx, cancel := context.WithCancel(w.ctx)
				cancel()
				if err := tr.End(ctx, nil); err != context.Canceled {
					w.Error(err)
				}
				if c.sess.Live() != nil {
					w.Error("the control connection was kept")
				}
				w.must(c.get())
			})
		})
	}
}

// TestLend ends an upload for somebody who does not wait for the verdict: its
// owner has it.
func TestLend(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Data.Linger = true
	for _, final := range []string{"226 Done.", "552 Full."} {
		run(t, script(p, ftptest.Step{On: "STOR", Final: final}), func(w *world) {
			w.with(func(c *client) {
				tr, err := c.Open(w.ctx, Request{Line: "STOR up"})
				w.must(err)
				_, err = tr.Write(small)
				w.must(err)
				impatient, cancel := context.WithTimeout(w.ctx, rtt/2)
				defer cancel()
				tr.CloseData(context.WithoutCancel(impatient))
				if err := tr.Await(impatient); !errors.Is(err, context.DeadlineExceeded) || !tr.Closed() || c.sess.Live() == nil {
					w.Errorf("the one who did not wait: %v", err)
				}
				if err := tr.End(w.ctx, nil); (final[0] == '2') != (err == nil) || err != nil && code(err) != 552 {
					w.Errorf("the owner: %v", err)
				}
				if v := tr.Verdict(); v.String() != final {
					w.Errorf("the verdict is %v", v)
				}
				w.must(c.get())
				if w.conns() != 1 {
					w.Errorf("%d control connections", w.conns())
				}
			})
		})
	}
}

// TestAbandon ends downloads before their end, and keeps the control connection
// if the server answers.
func TestAbandon(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib()} {
		run(t, setup{ftp: func(s *ftptest.Server) {
			s.Personality = p
			if err := s.Tree.WriteFile("big", make([]byte, 8<<20), 0o644); err != nil {
				panic(err)
			}
		}}, func(w *world) {
			w.with(func(c *client) {
				for range 3 {
					tr, err := c.Open(w.ctx, Request{Line: "RETR big", Resumes: true})
					w.must(err)
					_, err = io.ReadFull(tr, make([]byte, 100))
					w.must(err)
					tr.Abandon(w.ctx)
					tr.Abandon(w.ctx)
				}
				w.must(c.get())
				if w.conns() != 1 {
					w.Errorf("%s: %d control connections", p.Name, w.conns())
				}
			})
		})
	}
}

// TestFinishTwice has the verdict asked for again: it is the same, and no later
// connection suffers.
func TestFinishTwice(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 1, Final: ftptest.None, Then: ftptest.Cut}), func(w *world) {
		w.with(func(c *client) {
			tr, err := c.Open(w.ctx, Request{Line: "RETR file"})
			w.must(err)
			_, err = io.Copy(io.Discard, tr)
			w.must(err)
			for range 2 {
				if _, err := tr.Finish(w.ctx); !errors.Is(err, proto.ErrNoVerdict) {
					w.Error(err)
				}
				w.must(c.get())
			}
			tr.Abandon(w.ctx)
			tr.Cut(w.ctx, errOops)
			if w.conns() != 2 {
				w.Errorf("%d control connections", w.conns())
			}
		})
	})
}

// TestWholeSlowly sends a small upload in whole where nothing may be sent early.
func TestWholeSlowly(t *testing.T) {
	s := setup{cfg: func(c *Config) { c.OneByOne = true }}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.puts())
			for _, empty := range []string{"e1", "e2"} {
				tr, err := c.Open(w.ctx, Request{Line: "STOR " + empty, Whole: true})
				w.must(err)
				w.must(tr.End(w.ctx, nil))
				w.has(empty, nil)
			}
		})
	})
}

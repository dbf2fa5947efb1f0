package ftpnat_test

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestLendImpatient has somebody who does not want to wait any more come for
// the connection of an upload: the upload is another's, and goes on.
func TestLendImpatient(t *testing.T) {
	for _, patience := range []time.Duration{0, 20 * time.Millisecond, time.Second, time.Minute} {
		t.Run(patience.String(), func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) { s.Limits.Rate = 40_000 }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				f, err := fsys.Create("up")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(content[:100_000]); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(w.ctx, idleQuantum+patience)
				defer cancel()
				var over atomic.Bool
				hook := func(what string) {
					if over.Load() {
						t.Errorf("a hook of the Stat that is over: %s", what)
					}
				}
				ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{Command: hook, Note: hook, Reply: func(r ftpnat.Reply) { hook(r.String()) }, Lost: func(err error) { hook(err.Error()) }})
				start := time.Now()
				_, err = fsys.WithContext(ctx).Stat("pub/file.bin")
				over.Store(true)
				if took := time.Since(start); patience < time.Second && (!errors.Is(err, context.DeadlineExceeded) || took > idleQuantum+patience) {
					t.Errorf("Stat = %v after %v", err, took)
				}
				if _, err := f.Write(content[100_000:]); err != nil {
					t.Errorf("Write: %v", err)
				}
				if err := f.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				w.has(t, "up", string(content))
			})
		})
	}
}

// TestLendRefused has the server refuse a file when the upload is ended for
// somebody else, while who writes it writes on.
func TestLendRefused(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "STOR", Final: "552 Quota exceeded."}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		f, err := fsys.Create("up")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content[:100_000]); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := fsys.Stat("pub/file.bin"); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(2*idleQuantum + rtt)
		for err == nil {
			_, err = f.Write(content)
		}
		synctest.Wait()
		<-done
		if replyOf(err).Code != 552 {
			t.Errorf("Write: %v", err)
		}
		if cerr := f.Close(); replyOf(cerr).Code != 552 {
			t.Errorf("Close: %v", cerr)
		}
	})
}

// TestLendEnded has the owner's context end, or the FS be closed, while somebody
// waits for the end of the upload.
func TestLendEnded(t *testing.T) {
	for _, end := range []string{"owner", "owner, then taker", "FS"} {
		for _, after := range []time.Duration{0, 2 * rtt} {
			t.Run(end+" "+after.String(), func(t *testing.T) {
				s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) { s.Limits.Rate = 10_000 }}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					f, err := fsys.WithContext(ctx).Create("up")
					if err != nil {
						t.Fatal(err)
					}
					if _, err := f.Write(content); err != nil {
						t.Fatal(err)
					}
					takerCtx, leave := context.WithCancel(w.ctx)
					defer leave()
					var stat error
					done := make(chan struct{})
					go func() {
						defer close(done)
						_, stat = fsys.WithContext(takerCtx).Stat("pub/file.bin")
					}()
					time.Sleep(idleQuantum + after)
					want := context.Canceled
					switch end {
					case "FS":
						fsys.Close()
						want = ftpnat.ErrClosed
					case "owner":
						cancel()
					default:
						cancel()
						go leave()
					}
					_, werr := f.Write(content)
					if cerr := f.Close(); !errors.Is(werr, want) || !errors.Is(cerr, want) {
						t.Errorf("Write: %v; Close: %v; want %v", werr, cerr, want)
					}
					<-done
					if end == "owner" && stat != nil {
						t.Errorf("Stat: %v", stat)
					}
					if _, err := fsys.Stat("pub"); (err == nil) != (end != "FS") {
						t.Errorf("Stat afterwards: %v", err)
					}
				})
			})
		}
	}
}

// TestLendQueue has several come for the connection of an upload, of whom some
// do not wait long enough, over TLS too.
func TestLendQueue(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, secure := range []bool{false, true} {
		s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) { s.Limits.Rate = 100_000 }}
		if secure {
			s.dialer = func(d *ftpnat.Dialer) { d.MaxConns, d.TLSConfig = 1, &tls.Config{RootCAs: cert.Pool} }
			s.ftp = func(s *ftptest.Server) { s.Limits.Rate, s.TLS = 100_000, cert.Server }
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			f, err := fsys.Create("up")
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for i, part := range [][]byte{content[:70_000], content[70_000:140_000], content[140_000:]} {
				if _, err := f.Write(part); err != nil {
					t.Errorf("Write %d: %v", i, err)
				}
				for n := range 8 {
					all.Go(func() {
						ctx, cancel := context.WithTimeout(w.ctx, time.Duration(n)*200*time.Millisecond)
						defer cancel()
						if _, err := fsys.WithContext(ctx).Stat("pub/file.bin"); err != nil && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("Stat: %v", err)
						}
					})
				}
				time.Sleep(time.Duration(i) * time.Second)
			}
			if err := f.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			all.Wait()
			w.has(t, "up", string(content))
		})
	}
}

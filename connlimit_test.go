package ftpnat_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// gauge counts the control connections of a Dialer.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) watch(d *ftpnat.Dialer) {
	dial := d.DialContext
	d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil || !strings.HasSuffix(addr, ":21") {
			return nc, err
		}
		for n, most := g.now.Add(1), g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
		}
		return &gauged{nc, sync.OnceFunc(func() { g.now.Add(-1) })}, nil
	}
}

type gauged struct {
	net.Conn
	closed func()
}

func (c *gauged) Close() error {
	c.closed()
	return c.Conn.Close()
}

// TestMaxConnsPerHost has three FS of a Dialer at work at once, on a server that takes
// no more connections than the limit: none is refused, and all get on.
func TestMaxConnsPerHost(t *testing.T) {
	const limit, n = 5, 12
	var g gauge
	s := setup{
		dialer: func(d *ftpnat.Dialer) { d.MaxConnsPerHost = limit; g.watch(d) },
		ftp: func(srv *ftptest.Server) {
			srv.Limits.MaxConns = limit + 2 // those that are just being closed
			files(n)(srv)
		},
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		list := []*ftpnat.FS{w.openFS(t, ""), w.openFS(t, ""), w.openFS(t, "")}
		for range 3 {
			var all sync.WaitGroup
			for _, fsys := range list {
				for lane := range 4 {
					all.Go(func() {
						for i := range 4 * n {
							name := fmt.Sprintf("f%02d", (i+lane)%n)
							if got, err := fsys.ReadFile(name); err != nil || string(got) != string(small) {
								t.Errorf("ReadFile(%q) = %d bytes, %v", name, len(got), err)
							}
						}
					})
				}
			}
			all.Wait()
			time.Sleep(10 * time.Second)
		}
		if most := g.most.Load(); most < 4 || most > limit+2 || g.now.Load() > limit {
			t.Errorf("up to %d control connections, and %d in the end", most, g.now.Load())
		}
		// What one FS has left is another's as soon as it is idle.
		var all sync.WaitGroup
		before := g.now.Load()
		for lane := range 4 {
			all.Go(func() {
				for i := range n {
					mustRead(t, list[lane%2], fmt.Sprintf("f%02d", i), string(small))
				}
			})
		}
		all.Wait()
		if now := g.now.Load(); before > limit || now > limit {
			t.Errorf("%d control connections, then %d", before, now)
		}
	})
}

// TestMaxConnsPerHostCopy copies a file between two FS that may have one connection
// together: neither waits for the other for ever.
func TestMaxConnsPerHostCopy(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConnsPerHost = 1 }, ftp: files(1)}
	inBubble(t, s, func(t *testing.T, w *world) {
		a, b := w.openFS(t, ""), w.openFS(t, "")
		for name, copyTo := range map[string]func(in io.ReadSeeker) error{
			"Upload": func(in io.ReadSeeker) error { _, err := b.Upload("up", in); return err },
			"Create": func(in io.ReadSeeker) error {
				out, err := b.Create("up")
				if err != nil {
					return err
				}
				_, err = io.Copy(out, in)
				if cerr := out.Close(); err == nil {
					err = cerr
				}
				return err
			},
		} {
			start := time.Now()
			in, err := a.Open("pub/file.bin")
			if err != nil {
				t.Fatal(err)
			}
			if err := copyTo(in.(io.ReadSeeker)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			in.Close()
			w.has(t, "up", string(content))
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		}
	})
}

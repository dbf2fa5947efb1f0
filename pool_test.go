package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestManySmallFiles reads many files with more goroutines than connections.
// What that takes in memory does not grow with their number.
func TestManySmallFiles(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Personality: ftptest.ProFTPD()}
	const files, rounds = 300, 4
	plantSmall(t, srv.Tree, files)
	before := runtime.NumGoroutine()
	fsys := openLoopback(t, srv, nil)
	var heap [rounds]uint64
	for round := range rounds {
		share(t, files, 16, func(_, i int) error {
			got, err := fsys.ReadFile(fmt.Sprint(i))
			if err == nil && !bytes.Equal(got, content[i:i+1000]) {
				err = fmt.Errorf("file %d has %d other bytes", i, len(got))
			}
			return err
		})
		heap[round] = heapInUse()
	}
	if n := srv.Counters().Connections; n > defaultMaxConns {
		t.Errorf("%d connections", n)
	}
	if err := fsys.Close(); err != nil {
		t.Error(err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	// The test server writes down each command: a few hundred bytes a file.
	const most = 2000 * files
	if grown := int64(heap[rounds-1]) - int64(heap[0]); grown > (rounds-1)*most {
		t.Errorf("%d bytes more in use after %d files than after %d", grown, rounds*files, files)
	}
	// What is closed may not have returned from its last call yet.
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, and %d before", after, before)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// plantSmall puts files into a server whose names are numbers.
func plantSmall(t testing.TB, tree *ftptest.Tree, files int) {
	t.Helper()
	for i := range files {
		if err := tree.WriteFile(fmt.Sprint(i), content[i:i+1000], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSmallFiles reads 10,000 small files with 16 goroutines over four
// connections, and beside it over four connections of jlaffaye/ftp by hand.
func BenchmarkSmallFiles(b *testing.B) {
	const files = 10_000
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Personality: ftptest.ProFTPD()}
	plantSmall(b, srv.Tree, files)
	ln := listenLoopback(b)
	srv.Start(ln)
	defer srv.Close()
	addr := ln.Addr().String()
	b.Run("ftpnat", func(b *testing.B) {
		fsys, err := new(ftpnat.Dialer).Open(b.Context(), "ftp://"+addr)
		if err != nil {
			b.Fatal(err)
		}
		defer fsys.Close()
		for b.Loop() {
			share(b, files, 16, func(_, i int) error { return second(fsys.ReadFile(fmt.Sprint(i))) })
		}
		b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
		b.ReportAllocs()
	})
	b.Run("jlaffaye", func(b *testing.B) {
		var conns []*ftp.ServerConn
		for range 4 {
			c, err := ftp.Dial(addr)
			if err == nil {
				err = c.Login("anonymous", "x")
			}
			if err != nil {
				b.Fatal(err)
			}
			defer c.Quit()
			conns = append(conns, c)
		}
		for b.Loop() {
			share(b, files, len(conns), func(worker, i int) error {
				r, err := conns[worker].Retr(fmt.Sprint(i))
				if err != nil {
					return err
				}
				_, err = io.ReadAll(r)
				return errors.Join(err, r.Close())
			})
		}
		b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
	})
}

// share has workers do n jobs.
func share(t testing.TB, n, workers int, job func(worker, i int) error) {
	next := make(chan int)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range next {
				if err := job(w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}

// TestAnyOrder has goroutines do whatever comes to their mind with files that
// they hold, over two connections; some connections break.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(6) {
		s := setup{
			ftp: func(srv *ftptest.Server) {
				srv.Personality = ftptest.Personalities()[seed]
				for i := 3; i < 40; i += 7 {
					srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Conn: i, After: 20_000, Kind: ftptest.Reset})
				}
			},
			dialer: func(d *ftpnat.Dialer) { d.MaxConns = 2 },
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			var group sync.WaitGroup
			for g := range 5 {
				group.Go(func() { wander(t, fsys, rand.New(rand.NewPCG(seed, uint64(g)))) })
			}
			group.Wait()
		})
	}
}

// wander opens, reads, seeks and closes files at random and compares what it
// reads.
func wander(t *testing.T, fsys *ftpnat.FS, r *rand.Rand) {
	var open []*ftpnat.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for range 30 {
		switch n := r.IntN(10); {
		case n < 3 || len(open) == 0:
			f, err := fsys.OpenFile("pub/file.bin", os.O_RDONLY, 0)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			open = append(open, f)
		case n < 7:
			f := open[r.IntN(len(open))]
			at, err := f.Seek(0, io.SeekCurrent)
			p := make([]byte, r.IntN(50_000))
			m, rerr := f.Read(p)
			if err != nil || rerr != nil && rerr != io.EOF || !bytes.Equal(p[:m], content[at:at+int64(m)]) {
				t.Errorf("read at %d: %d bytes, %v, %v", at, m, err, rerr)
			}
		case n < 8:
			f := open[r.IntN(len(open))]
			if _, err := f.Seek(r.Int64N(int64(len(content))), io.SeekStart); err != nil {
				t.Errorf("seek: %v", err)
			}
		case n < 9:
			if _, err := fsys.ReadDir("pub"); err != nil {
				t.Errorf("readdir: %v", err)
			}
		default:
			i := r.IntN(len(open))
			if err := open[i].Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			open = append(open[:i], open[i+1:]...)
		}
	}
}

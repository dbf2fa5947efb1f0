//go:build linux

package lab

import (
	"context"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftpmodel"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "seed of TestModel; 0 means by the clock")
	modelOps  = flag.Int("model.ops", 400, "operations of TestModel on each server")
	modelDir  = flag.String("model.trace", "", "a `folder` for what passes between TestModel's proxies and the servers")
)

// What happens in the model test happens in real time: pauses are short, and so are
// the limits of the client.
const (
	modelPause  = 300 * time.Millisecond // at most: the proxy's
	modelSettle = 600 * time.Millisecond
	modelHurry  = 600 * time.Millisecond
	modelLimit  = time.Minute
)

// loginBytes is the length of USER and PASS.
const loginBytes = int64(len("USER lab\r\nPASS secret\r\n"))

// modelConns is how many connections the FS has on each server.
var modelConns = map[servers.Kind]int{servers.Vsftpd: 4, servers.ProFTPD: 6, servers.PureFTPd: 8, servers.Pyftpdlib: 6}

// TestModel does random operations from many goroutines on each server, through a
// proxy that breaks connections, and compares the server's disk with a map in memory:
// what a call said nil of is so. By hand:
//
//	go test ./lab -run 'TestModel$/vsftpd' -model.ops 5000 -timeout 1h
//
// A seed brings back the same operations and mishaps, and not the very same run.
func TestModel(t *testing.T) {
	needLab(t)
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-model.seed %d", seed)
	for i, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			runModel(t, kind, seed+uint64(i)<<32)
		})
	}
}

func runModel(t *testing.T, kind servers.Kind, seed uint64) {
	path := direct
	if kind == servers.PureFTPd {
		path.Options.Settings = []string{"-c", "1000"} // connections that the server believes to be there
	}
	l := build(t, path, kind)
	proxy := &ftpworld.Proxy{Dial: dialIn(l.net.Client), Plan: modelMishaps(kind, seed)}
	defer proxy.Close()
	if *modelDir != "" {
		out, err := os.Create(filepath.Join(*modelDir, string(kind)+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		m := &modelTrace{dial: proxy.Dial, plan: proxy.Plan, out: out, start: time.Now()}
		proxy.Dial, proxy.Plan = m.Dial, m.Plan
	}
	conns := modelConns[kind]
	d := &ftpnat.Dialer{AttemptTimeout: 2 * time.Second, RetryFor: 8 * time.Second, MaxConns: conns, DialContext: proxy.DialContext, Listen: listenIn(l.net.Client)}
	fsys, err := modelOpen(t.Context(), d, l.place)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	var wrong atomic.Int32
	start := time.Now()
	res := ftpmodel.Run(ftpmodel.Config{
		FS: fsys, Truth: os.DirFS(l.server.Root), Seed: seed, Ops: *modelOps, Workers: 2 * conns, Dirs: 2*conns + 2, Size: 100_000,
		Settle: modelSettle, Hurry: modelHurry, Limit: modelLimit, Local: t.TempDir(),
		Errorf: func(format string, args ...any) {
			if wrong.Add(1) < 20 {
				t.Errorf("after %.3f s: "+format, append([]any{time.Since(start).Seconds()}, args...)...)
			}
		},
	})
	done, failed := 0, 0
	for _, n := range res.Done {
		done += n
	}
	for _, n := range res.Failed {
		failed += n
	}
	t.Logf("%d operations, of which %d said nil, and %d faults %v in %v, slowest %v, left %d\n done %v\n failed %v",
		done+failed, done, proxy.Faults(), proxy.Counts(), time.Since(start), res.Slowest, len(res.Left), res.Done, res.Failed)
	for what, n := range res.Errors {
		t.Logf("%4d %s", n, what)
	}
	if proxy.Faults() < *modelOps/10 || done < *modelOps/2 {
		t.Errorf("%d faults, and nil from %d of %d operations, show little", proxy.Faults(), done, *modelOps)
	}
}

// modelOpen logs in, in spite of the proxy.
func modelOpen(ctx context.Context, d *ftpnat.Dialer, place *paths.Place) (fsys *ftpnat.FS, err error) {
	for range 10 {
		if fsys, err = d.Open(ctx, place.URL()); err == nil {
			break
		}
	}
	return fsys, err
}

// modelMishaps returns what befalls connections. A stall without end is not among it:
// the client waits two minutes until it believes in one. Swallow has one that ends.
func modelMishaps(kind servers.Kind, seed uint64) func(control bool, nth int) ftpworld.Mishap {
	r := rand.New(rand.NewPCG(seed, 1))
	kinds := []ftpworld.Kind{ftpworld.Reset, ftpworld.ResetNear, ftpworld.End, ftpworld.End, ftpworld.HalfClose, ftpworld.Swallow, ftpworld.Split}
	return func(control bool, nth int) ftpworld.Mishap {
		m := ftpworld.Mishap{
			Kind: kinds[r.IntN(len(kinds))], Dir: ftpworld.Dir(r.IntN(2)), Pause: time.Duration(r.Int64N(int64(modelPause))),
			InLine: !control && kind != servers.PureFTPd, // which counts the lines of its listings
		}
		most := 40_000
		if r.IntN(2) == 0 {
			most = 300 // a listing
		}
		if control {
			most = 4_000
		}
		m.After = r.Int64N(int64(most))
		if control && m.Dir == ftpworld.Up {
			m.After += loginBytes // half a PASS is answered by a 530, which is final
		}
		// ProFTPD 1.3.8 takes two commands for one where its read ends between CR and LF,
		// and answers neither: the client waits for two minutes.
		if r.IntN(3) == 0 || control && m.Kind == ftpworld.Split && kind == servers.ProFTPD {
			m.Kind = ftpworld.Nothing
		}
		return m
	}
}

// dialIn returns a dialer whose connections are in a namespace. Addresses are numbers:
// what is dialled is dialled on the thread that is there.
func dialIn(n *netns.Namespace) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
		err = n.Do(func() error {
			nc, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return nc, err
	}
}

// listenIn is the same for active mode.
func listenIn(n *netns.Namespace) func(ctx context.Context, network, addr string) (net.Listener, error) {
	return func(ctx context.Context, network, addr string) (ln net.Listener, err error) {
		err = n.Do(func() error {
			ln, err = new(net.ListenConfig).Listen(ctx, network, addr)
			return err
		})
		return ln, err
	}
}

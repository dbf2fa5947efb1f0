package ftpnat_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftpmodel"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "seed of TestModel; 0 means by the clock")
	modelOps  = flag.Int("model.ops", 3200, "operations of TestModel")
	modelHalt = flag.Bool("model.halt", false, "end TestModel at the first world that went wrong")
)

// modelWorld is a server and how it is used.
type modelWorld struct {
	p     ftptest.Personality
	conns int
	tls   bool
	split int64
}

// modelWorlds are those that the operations are spread over.
func modelWorlds() []modelWorld {
	exact := ftptest.Plain()
	exact.Features = append(slices.Clone(exact.Features), "HASH SHA-256*")
	clamp := ftptest.PureFTPd()
	clamp.Files.RestartClamp = true
	hole := ftptest.VSFTPD()
	hole.Files.Holes = true
	return []modelWorld{
		{p: hole, conns: 4}, {p: ftptest.ProFTPD(), conns: 2}, {p: clamp, conns: 8}, {p: ftptest.Pyftpdlib(), conns: 1},
		{p: exact, conns: 3, split: 30_000}, {p: ftptest.HiddenStores(), conns: 2}, {p: ftptest.IIS(), conns: 2},
		{p: ftptest.VSFTPD(), conns: 1}, {p: ftptest.ProFTPD(), conns: 4, tls: true}, {p: ftptest.VSFTPD(), conns: 2, tls: true},
	}
}

// TestModel does random operations from many goroutines through a proxy that breaks
// connections: what a call said nil of is so on the server. By hand:
//
//	go test -run TestModel$ -model.ops 50000 -timeout 1h
//
// A seed does not bring back the very same run where goroutines run side by side, but
// the same operations and mishaps.
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-model.seed %d", seed)
	worlds := modelWorlds()
	faults, done, failed := 0, 0, 0
	for i, m := range worlds {
		seed := seed + uint64(i)<<32
		t.Run(fmt.Sprintf("%s-%d", m.p.Name, i), func(t *testing.T) {
			m.run(t, seed, *modelOps/len(worlds), func(res ftpmodel.Result, n int) {
				faults += n
				for _, k := range res.Done {
					done += k
				}
				for _, k := range res.Failed {
					failed += k
				}
			})
		})
		if t.Failed() && *modelHalt {
			break
		}
	}
	t.Logf("%d operations, of which %d said nil, and %d faults", done+failed, done, faults)
	if faults < *modelOps/6 && !t.Failed() {
		t.Errorf("%d faults in %d operations show little", faults, *modelOps)
	}
	if done < *modelOps/2 && !t.Failed() {
		t.Errorf("%d of %d operations said nil, which shows little", done, *modelOps)
	}
}

// run does a number of operations in one world and hands over what was counted.
func (m modelWorld) run(t *testing.T, seed uint64, ops int, count func(res ftpmodel.Result, faults int)) {
	proxy := &ftpworld.Proxy{Plan: mishaps(seed, m.tls || m.p.Name == ftptest.PureFTPd().Name)}
	s := setup{
		ftp: func(srv *ftptest.Server) { srv.Personality, srv.Limits.Rate = m.p, 4<<20 },
		dialer: func(d *ftpnat.Dialer) {
			d.MaxConns, d.SplitOver = m.conns, m.split
			proxy.Dial = d.DialContext
			d.DialContext = proxy.DialContext
		},
	}
	if m.tls {
		s = overTLS(t, s)
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		w.extra = append(w.extra, func() { proxy.Close() })
		fsys, err := w.d.Open(t.Context(), "ftp://"+w.Addr)
		for range 5 {
			if err == nil {
				break
			}
			fsys, err = w.d.Open(t.Context(), "ftp://"+w.Addr)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer fsys.Close()
		var wrong atomic.Int32
		res := ftpmodel.Run(ftpmodel.Config{
			FS: fsys, Truth: w.Server.Tree.FS(), Seed: seed, Ops: ops, Workers: 2 * m.conns, Dirs: m.conns + 2,
			Size: 100_000, Settle: 10 * time.Second, Hurry: 5 * time.Second, Limit: 20 * time.Minute, Local: t.TempDir(),
			Errorf: func(format string, args ...any) {
				if wrong.Add(1) < 20 {
					t.Errorf(format, args...)
				}
			},
		})
		faults := proxy.Faults()
		count(res, faults)
		t.Logf("%v faults %v, slowest %v, left %d\n done %v\n failed %v", faults, proxy.Counts(), res.Slowest, len(res.Left), res.Done, res.Failed)
		if testing.Verbose() {
			for what, n := range res.Errors {
				t.Logf("%4d %s", n, what)
			}
		}
	})
}

// mishaps returns what befalls connections: some of those for data, and most of those
// for control after a while. signed says that a listing which is cut at the end of a
// line shows it.
func mishaps(seed uint64, signed bool) func(control bool, nth int) ftpworld.Mishap {
	r := rand.New(rand.NewPCG(seed, 1))
	kinds := []ftpworld.Kind{
		ftpworld.Reset, ftpworld.ResetNear, ftpworld.End, ftpworld.End, ftpworld.HalfClose,
		ftpworld.Stall, ftpworld.Swallow, ftpworld.Split,
	}
	return func(control bool, nth int) ftpworld.Mishap {
		m := ftpworld.Mishap{InLine: !control && !signed, Kind: kinds[r.IntN(len(kinds))], Dir: ftpworld.Dir(r.IntN(2)), Pause: time.Duration(r.IntN(8_000)) * time.Millisecond}
		most := 40_000
		if r.IntN(2) == 0 {
			most = 300 // a listing
		}
		if control {
			most = 4_000
		}
		m.After = r.Int64N(int64(most))
		if r.IntN(4) == 0 {
			m.Kind = ftpworld.Nothing
		}
		return m
	}
}

package ftpnat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// pipelined are the servers that are sent commands ahead.
var pipelined = []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib()}

// mixedTree has directories of several sizes, the larger ones not first, and
// dot files.
func mixedTree() map[string]int {
	files := map[string]int{"top": 5, ".rc": 2, "a/1": 1, "a/2": 2, "a/.3": 3}
	for i := range 12 {
		for j := range 3 + 12*(i%4) {
			files[fmt.Sprintf("m%02d/n%d/%03d", i, i%3, j)] = 10*i + j
			files[fmt.Sprintf("m%02d/.%03d", i, j)] = i + j
		}
	}
	return files
}

// without drops the lines of a listing that match a pattern.
func without(pattern string) func(string, []string) []string {
	re := regexp.MustCompile(pattern)
	return func(_ string, lines []string) []string { return slices.DeleteFunc(lines, re.MatchString) }
}

// wrongSTATs are ways in which STAT goes wrong.
var wrongSTATs = map[string]struct {
	edit   func(dir string, lines []string) []string
	script []ftptest.Step
	used   ftpnat.Finding // whether STAT does some good all the same
}{
	"none":              {used: ftpnat.Yes},
	"hides dot files":   {edit: without(` \.[^ ]*$`), used: ftpnat.No},
	"hides . and ..":    {edit: without(` \.\.?$`), used: ftpnat.No},
	"cut at 4":          {edit: func(_ string, l []string) []string { return l[:min(len(l), 4)] }, used: ftpnat.No},
	"cut at 34":         {edit: func(_ string, l []string) []string { return l[:min(len(l), 34)] }, used: ftpnat.Yes},
	"one name missing":  {edit: without(` top$`), used: ftpnat.No},
	"other types":       {edit: func(_ string, l []string) []string { return replaced(l, " -rw", " drw", "-rw", "drw") }, used: ftpnat.No},
	"garbage":           {edit: func(_ string, l []string) []string { return append(l, "what is this") }, used: ftpnat.No},
	"garbage in one":    {edit: func(dir string, l []string) []string { return append(l, only(dir, "/m03", "what is this")...) }, used: ftpnat.Yes},
	"names with a path": {edit: func(dir string, l []string) []string { return append(l, "-rw-r--r-- 1 a b 3 Jan  1 00:00 ../x") }, used: ftpnat.No},
	"502":               {script: []ftptest.Step{{On: "STAT", Reply: "502 Not implemented."}}, used: ftpnat.No},
	"550 now and then":  {script: []ftptest.Step{{On: "STAT", Nth: 3, Reply: "550 No."}, {On: "STAT", Nth: 7, Reply: "550 No."}}, used: ftpnat.Yes},
	"450":               {script: []ftptest.Step{{On: "STAT", Reply: "450 Not now."}}, used: ftpnat.No},
	"empty":             {script: []ftptest.Step{{On: "STAT", Reply: "213-Status follows:\n213 End of status"}}, used: ftpnat.No},
	"of the session":    {script: []ftptest.Step{{On: "STAT", Reply: "211-Status\n Logged in\n211 End"}}, used: ftpnat.No},
	"closes at first":   {script: []ftptest.Step{{On: "STAT", Then: ftptest.Cut}}, used: ftpnat.No},
	"closes later":      {script: []ftptest.Step{{On: "STAT", Nth: 24, Then: ftptest.Cut}}, used: ftpnat.Yes},
	"resets later":      {script: []ftptest.Step{{On: "STAT", Nth: 26, Then: ftptest.Reset}}, used: ftpnat.Yes},
	"silent":            {script: []ftptest.Step{{On: "STAT", Then: ftptest.Silence}}, used: ftpnat.No},
	"silent later":      {script: []ftptest.Step{{On: "STAT", Nth: 25, Then: ftptest.Silence}}, used: ftpnat.Yes},
	"a reply too many":  {script: []ftptest.Step{{On: "STAT", Nth: 2, Before: "213 What?"}}, used: ftpnat.No},
	"too many later":    {script: []ftptest.Step{{On: "STAT", Nth: 6, Before: "213-What?\n213 That."}}},
	"150 ahead":         {script: []ftptest.Step{{On: "STAT", Nth: 4, Before: "150 Here it comes."}}},
	"no REST":           {script: []ftptest.Step{{On: "REST", Reply: "550 Permission denied."}}, used: ftpnat.No},
	"endless":           {script: []ftptest.Step{{On: "STAT", Nth: 4, Endless: "-rw-r--r-- 1 a b 3 Jan  1 00:00 x\r\n"}}},
	"one for another": {edit: func(dir string, l []string) []string {
		return append(l, only(dir, "/m02", "213 End of status", "213-Status follows:")...)
	}},
}

// TestWalkFaults has STAT go wrong in all ways. The walk sees all there is, and
// the connection is good for other things afterwards.
func TestWalkFaults(t *testing.T) {
	for _, p := range pipelined {
		for name, fault := range wrongSTATs {
			if p.Name == "pyftpdlib" && strings.HasPrefix(name, "hides") {
				continue // it is known not to
			}
			t.Run(p.Name+"/"+name, func(t *testing.T) {
				s := treeSetup(t, p, 1, mixedTree())
				inner := s.ftp
				s.ftp = func(srv *ftptest.Server) { inner(srv); srv.EditStat, srv.Script = fault.edit, fault.script }
				walkUnder(t, s, mixedTree(), fault.used)
			})
		}
	}
	t.Run("vsftpd/other sizes", func(t *testing.T) {
		sizes := regexp.MustCompile(` \d+ (Feb|Jan)`)
		s := treeSetup(t, ftptest.VSFTPD(), 1, mixedTree())
		inner := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			inner(srv)
			srv.EditStat = func(_ string, l []string) []string {
				for i := range l {
					l[i] = sizes.ReplaceAllString(l[i], " 77 $1")
				}
				return l
			}
		}
		walkUnder(t, s, mixedTree(), ftpnat.No)
	})
}

func replaced(lines []string, pairs ...string) []string {
	r := strings.NewReplacer(pairs...)
	for i := range lines {
		lines[i] = r.Replace(lines[i])
	}
	return lines
}

// only returns lines for one directory.
func only(dir, where string, lines ...string) []string {
	if dir != where {
		return nil
	}
	return lines
}

// walkUnder walks twice and uses the connection for other things then.
func walkUnder(t *testing.T, s setup, files map[string]int, used ftpnat.Finding) {
	t.Helper()
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, info := range []bool{true, false} {
			start := time.Now()
			seen, err := walk(fsys, info)
			if err != nil {
				t.Fatal(err)
			}
			seen.same(t, expect(files), info)
			if took := time.Since(start); took > 2*time.Minute {
				t.Errorf("the walk took %v", took)
			}
		}
		mustRead(t, fsys, "m11/n2/010", string(content[:120]))
		n := w.counts()
		if lists := n["LIST"] + n["MLSD"]; used == ftpnat.Yes && lists >= 50 || used == ftpnat.No && lists < 50 {
			t.Errorf("%d listings over data connections, %d STAT", lists, n["STAT"])
		}
		if used == ftpnat.No && n["STAT"] > 40 {
			t.Errorf("%d times STAT", n["STAT"])
		}
	})
}

// TestWalkForged has a file whose name ends the reply that lists it and makes
// up others. Nobody is taken in by that.
func TestWalkForged(t *testing.T) {
	forged := "-rw-r--r--    1 ftp      ftp             1 Jan  1 00:00 x"
	forgeries := map[string][]string{
		"its own end":       {forged, "213 End of status"},
		"another reply":     {forged, "213 End of status", "213-Status follows:", forged},
		"and the mark":      {forged, "213 End of status", "350 Restarting at 100000000", "213-Status follows:", forged},
		"a reply that eats": {forged, "213 End of status", "350 Restarting at 100000000", "299-", forged},
	}
	for _, p := range pipelined {
		for name, lines := range forgeries {
			t.Run(p.Name+"/"+name, func(t *testing.T) {
				files := mixedTree()
				s := treeSetup(t, p, 1, files)
				inner := s.ftp
				s.ftp = func(srv *ftptest.Server) {
					inner(srv)
					srv.EditStat = func(dir string, l []string) []string {
						if dir == "/m02" {
							return append(lines, l...)
						}
						if dir == "/m05" {
							return append([]string{"299 ", "213-Status follows:"}, l...)
						}
						return l
					}
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					seen, err := walk(fsys, true)
					if err != nil {
						t.Fatal(err)
					}
					seen.same(t, expect(files), true)
					mustRead(t, fsys, "m11/n2/010", string(content[:120]))
				})
			})
		}
	}
}

// TestWalkRefetch sees that what was fetched ahead is used once, not for long,
// and not after a change.
func TestWalkRefetch(t *testing.T) {
	inBubble(t, treeSetup(t, ftptest.VSFTPD(), 1, flatTree()), func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		has := func(dir, name string) bool {
			t.Helper()
			list, err := fsys.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(list, func(d fs.DirEntry) bool { return d.Name() == name })
		}
		add := func(name string) {
			t.Helper()
			if err := w.Server.Tree.WriteFile(name, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		has(".", "")
		has("d00", "") // d01 and those after it are there now
		add("d01/new")
		if has("d01", "new") {
			t.Error("d01 was not fetched ahead")
		}
		if !has("d01", "new") {
			t.Error("d01 was used twice")
		}
		add("d02/new")
		const foretoldFor = 30 * time.Second
		time.Sleep(foretoldFor + time.Second)
		if !has("d02", "new") {
			t.Error("d02 was used when it was old")
		}
		add("d03/new")
		if err := fsys.WriteFile("d40/mine", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if !has("d03", "new") {
			t.Error("d03 was used after a change")
		}
	})
}

// TestWalkWrites changes the tree under a walk.
func TestWalkWrites(t *testing.T) {
	for _, p := range pipelined {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, treeSetup(t, p, 1, flatTree()), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				files := expect(flatTree())
				seen := 0
				err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
					if err != nil {
						return err
					}
					seen++
					if d.IsDir() && name != "." && name < "d40" {
						// It must be seen in the directory after next.
						to := fmt.Sprintf("d%02d/new", seen%50)
						files[to] = 0
						return fsys.WriteFile(to, nil, 0o644)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				again, err := walk(fsys, false)
				if err != nil {
					t.Fatal(err)
				}
				again.same(t, files, false)
			})
		})
	}
}

// TestWalkBusy walks over one connection while files are half read, and several
// times at once.
func TestWalkBusy(t *testing.T) {
	for _, p := range pipelined {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				files := deepTree()
				files["big"] = len(content)
				inBubble(t, treeSetup(t, p, conns, files), func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					f, err := fsys.Open("big")
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					half := make([]byte, 70_000)
					if _, err := io.ReadFull(f, half); err != nil {
						t.Fatal(err)
					}
					var wg sync.WaitGroup
					for i := range 3 {
						wg.Go(func() {
							seen, err := walk(fsys, i == 1)
							if err != nil {
								t.Error(err)
							}
							seen.same(t, expect(files), i == 1)
						})
					}
					wg.Wait()
					rest, err := io.ReadAll(f)
					if err != nil || string(half)+string(rest) != string(content) {
						t.Errorf("%d bytes, %v", len(half)+len(rest), err)
					}
				})
			})
		}
	}
}

// TestWalkCancelled interrupts a walk and goes on with another.
func TestWalkCancelled(t *testing.T) {
	for _, p := range pipelined {
		for _, after := range []time.Duration{8, 9, 10, 11, 12, 13} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, after), func(t *testing.T) {
				inBubble(t, treeSetup(t, p, 1, flatTree()), func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					ctx, cancel := context.WithTimeout(t.Context(), after*rtt+latency-7*rtt)
					defer cancel()
					start := time.Now()
					if _, err := walk(fsys.WithContext(ctx), true); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("err = %v", err)
					}
					if took := time.Since(start); took > after*rtt {
						t.Errorf("ended after %v", took)
					}
					seen, err := walk(fsys, true)
					if err != nil {
						t.Fatal(err)
					}
					seen.same(t, expect(flatTree()), true)
					mustRead(t, fsys, "d11/f10.txt", string(content[:1110]))
				})
			})
		}
	}
}

// TestWalkLarge has directories that are too large for STAT among others.
func TestWalkLarge(t *testing.T) {
	sizes := map[string]int{"a": 3, "b": 1500, "c": 60_000, "d": 990, "e": 990, "f": 20, "g": 20}
	for _, p := range pipelined {
		t.Run(p.Name, func(t *testing.T) {
			tree := ftptest.NewTree()
			for dir, n := range sizes {
				for i := range n {
					if err := tree.WriteFile(fmt.Sprintf("%s/%05d", dir, i), content[:i%7], 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := setup{ftp: func(srv *ftptest.Server) { srv.Personality, srv.Tree = p, tree }, dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				for _, dir := range []string{".", "a", "b", "c", "d", "e", "f", "g"} {
					list, err := fsys.ReadDir(dir)
					want := sizes[dir]
					if dir == "." {
						want = len(sizes)
					}
					if err != nil || len(list) != want {
						t.Fatalf("%s: %d entries, want %d, %v", dir, len(list), want, err)
					}
					for i, d := range list {
						info, err := d.Info()
						if err != nil || d.Type().IsRegular() && info.Size() != int64(i%7) {
							t.Fatalf("%s/%s: %v, %v", dir, d.Name(), info, err)
						}
						if i > 1000 {
							break // it was listed in the ordinary way
						}
					}
				}
				if n := w.counts(); n["USER"] > 2 || n["LIST"]+n["MLSD"] > 6 {
					t.Errorf("%d logins, %d listings over data connections", n["USER"], n["LIST"]+n["MLSD"])
				}
			})
		})
	}
}

// TestWalkLate has STAT not show a file that was made just then, and another
// size. It is trusted a bit later.
func TestWalkLate(t *testing.T) {
	for _, p := range pipelined {
		t.Run(p.Name, func(t *testing.T) {
			s := treeSetup(t, p, 1, mixedTree())
			inner := s.ftp
			times := make(map[string]int)
			s.ftp = func(srv *ftptest.Server) {
				inner(srv)
				srv.EditStat = func(dir string, l []string) []string {
					if times[dir]++; times[dir] > 1 {
						return l
					}
					switch dir {
					case "/":
						return without(` top$`)(dir, l)
					case "/a":
						return replaced(l, " 1 Feb", " 9 Feb")
					}
					return l
				}
			}
			walkUnder(t, s, mixedTree(), ftpnat.Yes)
		})
	}
}

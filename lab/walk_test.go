//go:build linux

package lab

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// seen is what a walk saw under a name.
type seen struct {
	Type fs.FileMode
	Size int64
	Time time.Time // of files, where it is exact
}

// walk walks the tree below each of Names, and asks for the Info of all.
func (job fsJob) walk(fsys *ftpnat.FS, r *fsResult) {
	r.Seen = make(map[string]seen)
	for _, root := range job.Names {
		r.fail("walk of "+root, fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				r.fail(name, err)
				return nil
			}
			info, err := d.Info()
			if err != nil {
				r.fail("info of "+name, err)
				return nil
			}
			s := seen{Type: d.Type()}
			if d.Type().IsRegular() {
				s.Size = info.Size()
				if info.Sys().(*ftpnat.Facts).Precision == time.Second {
					s.Time = info.ModTime()
				}
			}
			r.Seen[name] = s
			return nil
		}))
	}
}

// truth adds what is below a folder of this machine. With follow, links are
// what they lead to.
func truth(t *testing.T, root, name string, follow bool, all map[string]seen) {
	t.Helper()
	look := os.Lstat
	if follow {
		look = os.Stat
	}
	info, err := look(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	s := seen{Type: info.Mode().Type()}
	if s.Type.IsRegular() {
		s.Size, s.Time = info.Size(), info.ModTime().Truncate(time.Second).UTC()
	}
	all[name] = s
	if !info.IsDir() {
		return
	}
	entries, err := os.ReadDir(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		truth(t, root, path.Join(name, e.Name()), follow, all)
	}
}

// sameWalk compares what was seen with the truth. Without MLST a server tells
// no exact times.
func sameWalk(t *testing.T, got, want map[string]seen, exact bool) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !exact {
			w.Time = time.Time{}
		}
		if !ok || g.Type != w.Type || g.Size != w.Size || !g.Time.Equal(w.Time) {
			t.Errorf("%q: saw %v, %v; want %v", name, g, ok, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("saw %q, which is not there", name)
		}
	}
}

// plantWalk makes a tree with odd names, dot files, empty directories and
// links, and a larger one of plain names.
func plantWalk(t *testing.T, root string) {
	t.Helper()
	files := make(map[string][]byte)
	for i, name := range oddNames {
		files["odd/"+name+"/"+oddNames[len(oddNames)-1-i]] = client.Payload(uint64(i), 30*i)
		files["plain/sub/"+name] = client.Payload(uint64(i), i)
	}
	for i := range 50 {
		for j := range 20 {
			files[fmt.Sprintf("many/d%02d/f%02d", i, j)] = client.Payload(uint64(i), 10*i+j)
		}
		files[fmt.Sprintf("many/d%02d/.dot", i)] = []byte("dot")
	}
	plant(t, root, files)
	for _, dir := range []string{"void", "plain/void", "plain/.void", "links/void"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"links/dir": "void", "links/file": "../many/d01/f01", "plain/link": "sub/plain"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFSWalk walks on each server: all is seen, and most of it in listings on
// the control connection.
func TestFSWalk(t *testing.T) {
	needLab(t)
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			plantWalk(t, l.server.Root)
			roots := []string{"many", "odd", "plain", "links", "void"}
			want := make(map[string]seen)
			for _, root := range roots {
				truth(t, l.server.Root, root, kind == servers.Pyftpdlib, want)
			}
			for _, conns := range []int{1, 4} {
				r := l.runFS(fsJob{Do: "walk", MaxConns: conns, Names: roots})
				t.Logf("MaxConns %d: %v, sent %v", conns, r.Elapsed, r.Sent)
				sameWalk(t, r.Seen, want, kind != servers.Vsftpd)
				lists := r.Sent["LIST"] + r.Sent["MLSD"]
				// Those with odd names are listed one by one. MLSD spares an MLST for each file, at
				// most 21 a directory, and is chosen for each by what round trips have cost so far.
				listed := r.Sent["STAT"] >= 50 && lists <= len(oddNames)+25
				mixed := kind != servers.Vsftpd && r.Sent["STAT"]+lists <= 125 && r.Sent["MLST"] <= 25+21*r.Sent["STAT"]
				if !listed && !mixed {
					t.Errorf("%d times MLST, %d times STAT, %d listings over data connections", r.Sent["MLST"], r.Sent["STAT"], lists)
				}
			}
		})
	}
}

// TestFSWalkForged has a name that ends the reply that lists it and makes up
// another.
func TestFSWalkForged(t *testing.T) {
	needLab(t)
	const forged = "\r\n213 End of status\r\n350 Restarting at 1\r\n213-Status follows:\r\n-rw-r--r-- 1 0 0 1 Jan 01 2026 forged"
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			plantWalk(t, l.server.Root)
			want := make(map[string]seen)
			truth(t, l.server.Root, "many", false, want)
			evil := "many/d30x"
			plant(t, l.server.Root, map[string][]byte{evil + "/a" + forged: nil, evil + "/b": nil})
			r := l.runFS(fsJob{Do: "walk", MaxConns: 1, Names: []string{"many"}}, evil)
			for name := range r.Seen {
				if strings.HasPrefix(name, evil) {
					delete(r.Seen, name)
				}
			}
			sameWalk(t, r.Seen, want, kind != servers.Vsftpd)
			t.Logf("sent %v; %s", r.Sent, r.Errs[evil])
		})
	}
}

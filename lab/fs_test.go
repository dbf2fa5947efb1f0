//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// direct has nothing in the way.
var direct = paths.Path{Name: "direct"}

// runFS does a job on the client's host and returns what it saw; an error that
// is not in allowed fails the test.
func (l *laboratory) runFS(job fsJob, allowed ...string) *fsResult {
	l.t.Helper()
	if job.URL == "" {
		job.URL = l.place.URL()
	}
	if job.Timeout == 0 {
		job.Timeout = jobTimeout
	}
	var input bytes.Buffer
	if err := gob.NewEncoder(&input).Encode(job); err != nil {
		l.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), job.Timeout+10*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := l.net.Client.Command(ctx, self)
	cmd.Env = append(slices.Clone(os.Environ()), fsVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &input, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	r := new(fsResult)
	if err := gob.NewDecoder(&stdout).Decode(r); err != nil {
		l.t.Fatal(err)
	}
	for what, err := range r.Errs {
		if !slices.Contains(allowed, what) {
			l.t.Errorf("%s: %s", what, err)
		}
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s took %v; its end:\n%s", job.Do, r.Elapsed, strings.Join(r.Trace, "\n"))
		}
	})
	return r
}

// plant writes files below a folder.
func plant(t *testing.T, root string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// oddNames are names of which each server is known to take some for something
// else: options, patterns, home directories, times.
var oddNames = []string{
	"plain", "two words", "st*r", "wh?t", "[brackets]", "{braces}", "-dash", "-la", ".hidden", "~tilde",
	"quote\"d", "'single'", "back\\slash", "ü", "日本", "a -> b", "20240101000000 stamp", "%s%n", "$HOME", "#",
	"semi;colon", " leading", "a=b,c", "!bang", "two  blanks", "&", "pipe|", "type=dir; x",
}

// TestFSConformance runs the checks of testing/fstest on each server.
func TestFSConformance(t *testing.T) {
	needLab(t)
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			files := make(map[string][]byte)
			var names []string
			// Package fstest takes no backslash in a name.
			odd := slices.DeleteFunc(slices.Clone(oddNames), func(n string) bool { return strings.Contains(n, "\\") })
			for i, name := range odd {
				full := name + "/" + odd[len(odd)-1-i]
				names, files[full] = append(names, full), client.Payload(uint64(i), 40*i)
			}
			tree := filepath.Join(l.server.Root, "tree")
			plant(t, tree, files)
			if err := os.Mkdir(filepath.Join(tree, "void"), 0o755); err != nil {
				t.Fatal(err)
			}
			for link, target := range map[string]string{"link": "plain/type=dir; x", "dirlink": "plain"} {
				if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
					t.Fatal(err)
				}
			}
			for _, conns := range []int{4, 1} {
				r := l.runFS(fsJob{Do: "conform", URL: l.place.URL() + "tree", MaxConns: conns, Names: names})
				t.Logf("MaxConns %d: %v", conns, r.Elapsed)
			}
		})
	}
}

// TestFSCopy copies 2,000 files up and down again.
func TestFSCopy(t *testing.T) {
	needLab(t)
	const size = 2000
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			odd := slices.DeleteFunc(slices.Clone(oddNames), func(name string) bool {
				return slices.Contains(refused[kind].files, name) || slices.Contains(refused[kind].dirs, name)
			})
			files := make(map[string][]byte)
			for i := range size - len(odd) {
				files[fmt.Sprintf("%s/%s %d", odd[i/100%len(odd)], odd[i%len(odd)], i)] = client.Payload(uint64(i), i)
			}
			for _, name := range odd {
				files[name+"/"+name] = []byte(name)
			}
			dir := filepath.Join(t.TempDir(), "tree")
			plant(t, dir, files)
			r := l.runFS(fsJob{Do: "copy", Dir: dir})
			t.Logf("%d files up and down in %v", len(files), r.Elapsed)
			sameTree(t, files, filepath.Join(l.server.Root, "copy"))
			sameTree(t, files, dir+".down")
		})
	}
}

// TestFSFetch copies 300 files with hard names and a large one down, over one
// connection and over four.
func TestFSFetch(t *testing.T) {
	needLab(t)
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			odd := slices.DeleteFunc(slices.Clone(oddNames), func(name string) bool { return slices.Contains(refused[kind].files, name) })
			files := map[string][]byte{"large": client.Payload(1, 5<<20)}
			for i := range 300 {
				dir, name := odd[i/20%len(odd)], odd[i%len(odd)]
				files[fmt.Sprintf("%s/%d/%s", dir, i/60, name)] = client.Payload(uint64(i), 100*i)
			}
			tree := filepath.Join(l.server.Root, "tree")
			plant(t, tree, files)
			if err := os.Symlink("../large", filepath.Join(tree, oddNames[0], "link")); err != nil {
				t.Fatal(err)
			}
			files[oddNames[0]+"/link"] = files["large"]
			for _, conns := range []int{1, 4} {
				dir := filepath.Join(t.TempDir(), "down")
				r := l.runFS(fsJob{Do: "fetch", URL: l.place.URL() + "tree", Dir: dir, MaxConns: conns, Split: 1 << 20})
				t.Logf("MaxConns %d: %d files in %v", conns, len(files), r.Elapsed)
				sameTree(t, files, dir)
			}
		})
	}
}

// sameTree compares the files below a folder.
func sameTree(t *testing.T, want map[string][]byte, root string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if expected, ok := want[name]; err != nil || !ok || !bytes.Equal(data, expected) {
			t.Errorf("%q has %d bytes, want %d, %v", name, len(data), len(expected), err)
		}
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("%s holds %d files, want %d, %v", root, n, len(want), err)
	}
}

// refused are the names of files and of directories that a server does not
// take, or takes for others.
var refused = map[servers.Kind]struct{ files, dirs []string }{
	servers.Vsftpd:  {files: []string{"\xff\xff"}, dirs: []string{"\xff\xff"}},
	servers.ProFTPD: {dirs: []string{"st*r"}},
	servers.PureFTPd: {
		files: []string{"back\\slash", " leading", "trailing ", "trailing\t", "tab\tbed", "\x01", "\xff\xff"},
		dirs:  []string{"back\\slash", "trailing ", "trailing\t", "tab\tbed", "\x01", "\xff\xff"},
	},
	servers.Pyftpdlib: {files: []string{"caf\xe9", "\xff\xff"}, dirs: []string{"caf\xe9", "\xff\xff"}},
}

// TestFSNames writes names that are hard to keep. What a server does not keep
// is an error that has the name.
func TestFSNames(t *testing.T) {
	needLab(t)
	long := strings.Repeat("n", 256)
	names := append(slices.Clone(oddNames), "trailing ", "trailing\t", "caf\xe9", "tab\tbed", "\x01", "\xff\xff", long[1:], long)
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l := build(t, direct, kind)
			files, folders := append(refused[kind].files, long), append(refused[kind].dirs, long)
			var allowed []string
			for _, name := range names {
				allowed = append(allowed, name, dirKey+name)
			}
			r := l.runFS(fsJob{Do: "names", Names: names}, allowed...)
			for _, name := range names {
				data, err := os.ReadFile(filepath.Join(l.server.Root, name))
				l.checkName(name, err == nil && string(data) == name, slices.Contains(files, name), r.Errs[name])
				info, err := os.Stat(filepath.Join(l.server.Root, dirs, name))
				l.checkName(dirKey+name, err == nil && info.IsDir(), slices.Contains(folders, name), r.Errs[dirKey+name])
			}
		})
	}
}

// checkName sees that a name is there where the server takes it, and that
// there is an error where it does not.
func (l *laboratory) checkName(name string, there, refused bool, err string) {
	l.t.Helper()
	if there == refused || (err != "") != refused {
		l.t.Errorf("%.300q: there %v, refused %v, error %.200q", name, there, refused, err)
	}
}

// TestFSIdleNAT downloads for 25 seconds through a NAT that forgets an idle
// connection after 8.
func TestFSIdleNAT(t *testing.T) {
	needLab(t)
	t.Parallel()
	const size, rate = 200 << 20, 8 << 20
	p := paths.Path{Name: "idle NAT", Client: netns.Site{Private: true, Rules: paths.Masquerade}, Options: servers.Options{Rate: rate}}
	l := build(t, p, servers.Vsftpd)
	for key, value := range map[string]string{
		"net.netfilter.nf_conntrack_tcp_timeout_established": "8",
		"net.netfilter.nf_conntrack_tcp_loose":               "0",
	} {
		if err := l.net.ClientRouter.Sysctl(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	data := client.Payload(200, size)
	plant(t, l.server.Root, map[string][]byte{"big": data})
	r := l.runFS(fsJob{Do: "read", Names: []string{"big"}, Timeout: 2 * time.Minute})
	t.Logf("%d MiB in %v, the end known %v after the last byte", size>>20, r.Elapsed, r.Last)
	if want := client.Sum(data); r.Sum != want {
		t.Errorf("read a file with the SHA-256 %s, want %s", r.Sum, want)
	}
	if limit := (size/rate + 5) * time.Second; r.Elapsed > limit || r.Last > time.Second {
		t.Errorf("took %v, want at most %v, and at most a second after the last byte", r.Elapsed, limit)
	}
}

// TestFSHash has a server's own hash compared.
func TestFSHash(t *testing.T) {
	needLab(t)
	t.Parallel()
	p := direct
	p.Options.Digest = true
	l := build(t, p, servers.ProFTPD)
	dir := t.TempDir()
	data := client.Payload(3230, 3<<20)
	plant(t, dir, map[string][]byte{"a b": data})
	l.runFS(fsJob{Do: "upload", Dir: dir, Names: []string{"a b"}})
	for name, want := range map[string][]byte{"small": []byte("small"), "a b": data} {
		if got, err := os.ReadFile(filepath.Join(l.server.Root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has %d bytes, want %d, %v", name, len(got), len(want), err)
		}
	}
}

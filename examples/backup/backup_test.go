package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

var update = flag.Bool("update", false, "write the golden file")

// targets are one of each kind.
var targets = []string{"site", "site.tar", "site.zip"}

// site is a tree on a server and a local directory to keep it in.
type site struct {
	t    *testing.T
	tree *ftptest.Tree
	dir  string
	out  bytes.Buffer // of the last run
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, tree: ftptest.NewTree(), dir: t.TempDir()}
	s.put(written, demoFiles()...)
	if err := s.tree.Symlink("1999/11-04.csv", "pub/latest.csv"); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) put(at time.Time, files ...demoFile) {
	s.t.Helper()
	if err := put(s.tree, at, files...); err != nil {
		s.t.Fatal(err)
	}
}

// run runs the program against a server that change has changed. It returns
// the server when it has ended.
func (s *site) run(ctx context.Context, change func(*world), args ...string) (*ftptest.Server, error) {
	s.t.Helper()
	w, err := newWorld(ctx, s.tree, change)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.close()
	s.out.Reset()
	opts, err := parse(args, &s.out)
	if err != nil {
		s.t.Fatal(err)
	}
	opts.target = filepath.Join(s.dir, opts.target)
	w.dialer.RetryFor = opts.retry
	err = do(ctx, opts, w.dialer, &printer{w: &s.out, verbose: true})
	return w.server, err
}

// backup runs the program and wants it to succeed. It returns how many files
// were asked for.
func (s *site) backup(args ...string) int {
	s.t.Helper()
	srv, err := s.run(s.t.Context(), nil, args...)
	if err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, &s.out)
	}
	return srv.Counters().Commands["RETR"]
}

// check wants a target to have what the server has, and more where that is
// given.
func (s *site) check(target string, more ...demoFile) {
	s.t.Helper()
	v, err := openVault(filepath.Join(s.dir, target), false)
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.close()
	got := contents(s.t, v)
	want := map[string]string{}
	add := func(at string, data []byte) {
		if _, isFolder := v.store.(*folder); isFolder {
			at = localName(at, goos)
		}
		want[at] = string(data)
	}
	for _, f := range more {
		add(strings.TrimPrefix(f.name, "pub/"), f.data)
	}
	walkTree(s.t, s.tree, "pub", add)
	for at := range want {
		if content, ok := got[at]; !ok || content != want[at] {
			s.t.Errorf("%s: %q has %d bytes (there: %v), want %d", target, at, len(content), ok, len(want[at]))
		}
	}
	if len(got) != len(want) {
		s.t.Errorf("%s has %d files, want %d", target, len(got), len(want))
	}
	s.backup("-verify", target)
}

// walkTree calls fn with every file of a tree.
func walkTree(t *testing.T, tree *ftptest.Tree, dir string, fn func(at string, data []byte)) {
	t.Helper()
	infos, err := tree.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		at := dir + "/" + info.Name()
		switch {
		case info.IsDir():
			walkTree(t, tree, at, fn)
		case info.Mode().IsRegular():
			data, err := tree.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			fn(strings.TrimPrefix(at, "pub/"), data)
		}
	}
}

// contents returns what a backup has, straight from where it is kept.
func contents(t *testing.T, v *vault) map[string]string {
	t.Helper()
	got := map[string]string{}
	if a, ok := v.store.(*archive); ok {
		err := a.scan(func(m member) error {
			r, err := m.open()
			if err != nil {
				return err
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(r)
			got[m.name] = b.String()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	err := fs.WalkDir(v.base.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		if err == nil && at == folderState {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := v.base.ReadFile(at)
		got[at] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// onTargets runs a test for each kind of target, in virtual time.
func onTargets(t *testing.T, test func(s *site, target string)) {
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newSite(t), target) })
		})
	}
}

func TestIncremental(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		if n := s.backup(demoURL, target); n != len(demoFiles()) {
			s.t.Errorf("the first run asked for %d files, want %d", n, len(demoFiles()))
		}
		s.check(target)
		if n := s.backup(demoURL, target); n != 0 {
			s.t.Errorf("nothing has changed, and %d files were asked for", n)
		}
		old := demoFiles()[2]
		if err := s.tree.Remove(old.name); err != nil {
			s.t.Fatal(err)
		}
		s.put(written.Add(time.Hour*24), demoFile{"pub/README", []byte("changed\n")}, demoFile{"pub/new/file", []byte("new\n")})
		if n := s.backup(demoURL, target); n != 2 {
			s.t.Errorf("one file is new and one changed, and %d were asked for", n)
		}
		s.check(target, old)
		if !strings.Contains(s.out.String(), "verified") {
			s.t.Errorf("printed:\n%s", &s.out)
		}
		if n := s.backup("-delete", demoURL, target); n != 0 {
			s.t.Errorf("-delete asked for %d files", n)
		}
		s.check(target)
	})
}

// TestSameSize changes a file without changing its size.
func TestSameSize(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		s.backup(demoURL, target)
		s.put(written.Add(time.Hour*48), demoFile{"pub/.profile", []byte("umask 027\n")})
		if n := s.backup(demoURL, target); n != 1 {
			s.t.Errorf("%d files were asked for, want 1", n)
		}
		s.check(target)
	})
}

// TestFileAndDirectory makes a directory of a file and a file of a directory.
func TestFileAndDirectory(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		s.backup(demoURL, target)
		for _, at := range []string{"README", "1999/11-03.csv", "1999/11-04.csv", "1999"} {
			if err := s.tree.Remove("pub/" + at); err != nil {
				s.t.Fatal(err)
			}
		}
		s.put(written, demoFile{"pub/README/part 1", []byte("one")}, demoFile{"pub/1999", []byte("two")})
		s.backup(demoURL, target)
		s.check(target)
		if n := s.backup(demoURL, target); n != 0 {
			s.t.Errorf("nothing has changed, and %d files were asked for", n)
		}
	})
}

// TestInterruptAndResume ends the program in the middle of a file, again and
// again.
func TestInterruptAndResume(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		s.put(written, demoFile{"pub/video.bin", bulk(1 << 20)})
		slow := func(w *world) { w.server.Rate = 512 << 10 }
		var sent int64
		runs := 0
		for ; ; runs++ {
			ctx, cancel := context.WithTimeout(s.t.Context(), 1100*time.Millisecond)
			srv, err := s.run(ctx, slow, "-jobs", "1", demoURL, target)
			cancel()
			sent += srv.Counters().DataSent
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || runs > 20 {
				s.t.Fatalf("run %d: %v\n%s", runs, err, &s.out)
			}
		}
		if runs < 2 || sent > 1<<20+int64(runs)*(256<<10) {
			s.t.Errorf("%d runs were interrupted, and %d bytes sent in all", runs, sent)
		}
		s.check(target)
	})
}

// TestBadLine breaks every data connection after some bytes: the runs get
// through as long as the connection is tried again, and a run that does not
// try again leaves to the next one what it has.
func TestBadLine(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		s.put(written, demoFile{"pub/video.bin", bulk(768<<10 - 1)})
		cut := func(w *world) {
			w.server.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: 256 << 10, Kind: ftptest.Reset}}
		}
		for want := 1; want <= 3; want++ {
			_, err := s.run(s.t.Context(), cut, "-retry", "0", "-jobs", "1", demoURL, target)
			if last := want == 3; last != (err == nil) {
				s.t.Fatalf("run %d: %v\n%s", want, err, &s.out)
			}
			if err != nil && (!errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "NOT COMPLETE: 1 could not be read or kept\n    video.bin  ")) {
				s.t.Errorf("run %d: %v\n%s", want, err, &s.out)
			}
		}
		s.check(target)
		s.put(written.Add(24*time.Hour), demoFile{"pub/video.bin", bulk(768<<10 + 1)})
		if _, err := s.run(s.t.Context(), cut, demoURL, target); err != nil {
			s.t.Errorf("with -retry: %v", err)
		}
		s.check(target)
	})
}

// TestRefused has a server that refuses some of the files.
func TestRefused(t *testing.T) {
	onTargets(t, func(s *site, target string) {
		s.backup(demoURL, target)
		s.put(written.Add(24*time.Hour), demoFile{"pub/README", []byte("changed\n")}, demoFile{"pub/z", []byte("new\n")})
		refuse := func(w *world) {
			w.server.Script = []ftptest.Step{{On: "RETR", Nth: 1, Reply: "550 Failed to open file."}}
		}
		_, err := s.run(s.t.Context(), refuse, "-jobs", "1", demoURL, target)
		if !errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "NOT COMPLETE: 1 could not be read or kept\n    README  ") {
			s.t.Errorf("%v\n%s", err, &s.out)
		}
		v, err := openVault(filepath.Join(s.dir, target), false)
		if err != nil {
			s.t.Fatal(err)
		}
		got := contents(s.t, v)
		m, err := v.load()
		v.close()
		if err != nil || m.Complete || len(m.Problems) != 1 || m.Problems[0].Name != "README" {
			s.t.Errorf("%v, the manifest has %+v", err, m.Problems)
		}
		if got["README"] != string(demoFiles()[0].data) || got["z"] != "new\n" {
			s.t.Errorf("README is %q, z is %q", got["README"], got["z"])
		}
		s.backup("-verify", target)
		if n := s.backup(demoURL, target); n != 1 {
			s.t.Errorf("%d files were asked for, want 1", n)
		}
		s.check(target)
	})
}

// TestUnlisted has a server that refuses to list a directory: what was in it
// is neither gone nor forgotten.
func TestUnlisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.backup(demoURL, "site")
		refuse := func(w *world) {
			w.server.Script = []ftptest.Step{
				{On: "STAT", Reply: "502 Command not implemented."},
				{On: "LIST", Nth: 2, Reply: "550 Permission denied."}, {On: "CWD", Nth: 2, Reply: "550 Permission denied."}}
		}
		_, err := s.run(t.Context(), refuse, "-delete", demoURL, "site")
		if !errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "\n    1999  ") {
			t.Errorf("%v\n%s", err, &s.out)
		}
		s.check("site")
	})
}

// TestServerGone ends a run when the server cannot be reached any more.
func TestServerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		gone := func(w *world) {
			dial, n := w.dialer.DialContext, 0
			w.dialer.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if n++; n > 5 { // the control connection, three listings, a file
					return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
				}
				return dial(ctx, network, addr)
			}
			w.dialer.Listen = func(context.Context, string, string) (net.Listener, error) { return nil, errors.New("not here") }
		}
		_, err := s.run(t.Context(), gone, "-retry", "1s", "-jobs", "1", demoURL, "site")
		if err == nil || !strings.Contains(err.Error(), "given up after 3 failures in a row: ") || !strings.Contains(s.out.String(), "NOT COMPLETE: 3 ") {
			t.Fatalf("%v\n%s", err, &s.out)
		}
		s.backup(demoURL, "site")
		s.check("site")
	})
}

func TestVerifyFindsAndMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.backup(demoURL, "site")
		if err := errors.Join(flip(filepath.Join(s.dir, "site", "README")), os.Remove(filepath.Join(s.dir, "site", ".profile"))); err != nil {
			t.Fatal(err)
		}
		_, err := s.run(t.Context(), nil, "-verify", "site")
		if !errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "DAMAGED OR MISSING: 2\n    .profile  ") ||
			!strings.Contains(s.out.String(), "\n    README    damaged: ") {
			t.Errorf("%v\n%s", err, &s.out)
		}
		if n := s.backup("-verify", demoURL, "site"); n != 2 {
			t.Errorf("%d files were asked for, want 2", n)
		}
		s.check("site")
	})
}

// TestOthersFiles checks that what the backup did not make stays as it is, and
// that no link on this side leads it out of the folder.
func TestOthersFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		outside := t.TempDir()
		folder := filepath.Join(s.dir, "site")
		err := errors.Join(os.Mkdir(folder, 0o777), os.WriteFile(filepath.Join(folder, "README"), []byte("mine"), 0o666),
			os.Symlink(outside, filepath.Join(folder, "1999")))
		if err != nil {
			t.Skip("no symbolic links here:", err)
		}
		s.put(written, demoFile{"pub/.FTP-backup", []byte("x")})
		_, err = s.run(t.Context(), nil, "-jobs", "1", demoURL, "site")
		if !errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "NOT COMPLETE: 5 could") {
			t.Errorf("%v\n%s", err, &s.out)
		}
		if data, err := os.ReadFile(filepath.Join(folder, "README")); string(data) != "mine" {
			t.Errorf("README is %q, %v", data, err)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
			t.Errorf("outside there is %v, %v", left, err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "mine.zip"), []byte("mine"), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := s.run(t.Context(), nil, demoURL, "mine.zip"); err == nil || !strings.Contains(err.Error(), "no backup") {
			t.Errorf("an archive of somebody else's: %v", err)
		}
		s.backup(demoURL, "other.zip")
		if _, err := s.run(t.Context(), nil, strings.Replace(demoURL, "pub", "other", 1), "other.zip"); err == nil || !strings.Contains(err.Error(), "a target of its own") {
			t.Errorf("another source: %v", err)
		}
	})
}

// maskTimes hides what depends on how fast this machine is, and how far a file
// came before the interruption for that.
func maskTimes(page string) string {
	page = regexp.MustCompile(`\d+\.\d s`).ReplaceAllString(page, "#.# s")
	page = regexp.MustCompile(`disk\.img: .* are here`).ReplaceAllString(page, "disk.img: # MB are here")
	page = regexp.MustCompile(`goes on at byte \d+`).ReplaceAllString(page, "goes on at byte #")
	return regexp.MustCompile(`(1 file read, )[0-9.]+ MB`).ReplaceAllString(page, "$1# MB")
}

// TestGolden compares what the demonstration prints with a file.
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		if err := demo(t.Context(), &printer{w: &out}); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
	})
	got := maskTimes(out.String())
	file := filepath.Join("testdata", "demo.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the output differs from %s:\n%s", file, got)
	}
}

package beam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

const base = "ftp://ftp.test/"

// put writes files with their names as content.
func (s *site) put(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := s.current.Load().WriteFile(name, []byte(name), time.Time{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) read(name string) string {
	s.t.Helper()
	data, err := fs.ReadFile(s.current.Load().FS(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func newFS(t *testing.T, path string) filesystem.Interface {
	t.Helper()
	fsys, err := filesystem.New(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestParse(t *testing.T) {
	for name, want := range map[string]place{
		"ftp://h/a/b":             {serverKey{"ftp", "", "h", false}, "ftp://h/", "a/b"},
		"ftps://u@h:990/a?b#c%20": {serverKey{"ftps", "u", "h:990", false}, "ftps://u@h:990/", "a?b#c%20"},
		"ftpes://h//srv//*.csv":   {serverKey{"ftpes", "", "h", true}, "ftpes://h//", "srv/*.csv"},
		"ftp://a%40b@[::1]/":      {serverKey{"ftp", "a@b", "[::1]", false}, "ftp://a%40b@[::1]/", "."},
		"ftp://h/../a":            {serverKey{"ftp", "", "h", false}, "ftp://h/", "a"},
	} {
		if got, err := parse(name); got != want || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"ftp://h", "ftp:///a", "a/b", "", "ftp://u:" + secret + "@h/a", "ftp://u:" + secret + "/x@h/a", "ftp://u:" + secret + "?@h/a", "ftp://u:%zz" + secret + "@h/a"} {
		if _, err := parse(name); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestList lists each directory of a pattern once, and asks nothing for the sizes
// and times of the files.
func TestList(t *testing.T) {
	site := newSite(t, false)
	site.put("a.csv", "b.txt", ".b.txt.abcdefgh.part", "in/1/x.csv", "in/1/y.csv", "in/2/x.csv", "in/2/sub/z.csv", "in/[odd]/x.csv", "in/x.csv/file")
	for pattern, want := range map[string][]string{
		"*":             {"a.csv", "b.txt"},
		"*.csv":         {"a.csv"},
		"in/*/x.csv":    {"in/1/x.csv", "in/2/x.csv", "in/[odd]/x.csv"},
		"in/[12]/?.csv": {"in/1/x.csv", "in/1/y.csv", "in/2/x.csv"},
		"in/**/*.csv":   {"in/1/x.csv", "in/1/y.csv", "in/2/sub/z.csv", "in/2/x.csv", "in/[odd]/x.csv"},
		"**":            {"a.csv", "b.txt", "in/1/x.csv", "in/1/y.csv", "in/2/sub/z.csv", "in/2/x.csv", "in/[odd]/x.csv", "in/x.csv/file"},
		`in/\[odd\]/*`:  {"in/[odd]/x.csv"},
		"in":            nil,
		"none/*":        nil,
		"none.csv":      nil,
		"none/**":       nil,
		"in/1/x.csv":    {"in/1/x.csv"},
	} {
		fsys := newFS(t, base)
		got, err := fsys.List(t.Context(), base+pattern)
		for i := range want {
			want[i] = base + want[i]
		}
		if !slices.Equal(got, want) || err != nil || got == nil != (want == nil) {
			t.Errorf("%s: %q, %v", pattern, got, err)
		}
		before := len(site.current.Load().Commands())
		for _, name := range got {
			size, err := fsys.Size(t.Context(), name)
			at, err2 := fsys.(filesystem.LastModifiedGetter).LastModified(t.Context(), name)
			if size != int64(len(name)-len(base)) || err != nil || time.Since(at) > time.Hour || err2 != nil {
				t.Errorf("%s: %d, %v, %v, %v", name, size, err, at, err2)
			}
		}
		if after := len(site.current.Load().Commands()); after != before {
			t.Errorf("%s: %d commands for sizes and times", pattern, after-before)
		}
	}
	if _, err := newFS(t, base).List(t.Context(), base+"["); err == nil {
		t.Error("a bad pattern is no error")
	}
}

func TestReadWrite(t *testing.T) {
	site := newSite(t, true)
	const base = "ftpes://user@ftp.test/"
	fsys := newFS(t, base)
	defer fsys.Close()
	for _, size := range []int{0, 5, 1 << 20} {
		text := strings.Repeat("x", size)
		if err := filesystem.Write(t.Context(), fsys, base+"new/dir/a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := site.read("new/dir/a"); got != text {
			t.Errorf("%d of %d bytes", len(got), size)
		}
		if got, err := filesystem.Read(t.Context(), fsys, base+"new/dir/a"); string(got) != text || err != nil {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
	}
	if _, err := filesystem.Read(t.Context(), fsys, base+"none"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), base) {
		t.Error(err)
	}
	if err := filesystem.Copy(t.Context(), fsys, base+"new/dir/a", base+"b/c"); err != nil || len(site.read("b/c")) != 1<<20 {
		t.Error(err)
	}
	site.put("d/e")
	if err := filesystem.Rename(t.Context(), fsys, base+"b/c", base+"d/e"); err != nil || len(site.read("d/e")) != 1<<20 {
		t.Error(err)
	}
	if err := fsys.(filesystem.Remover).Remove(t.Context(), base+"d/e"); err != nil {
		t.Error(err)
	}
	if _, err := fsys.Size(t.Context(), base+"d/e"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := filesystem.Rename(t.Context(), fsys, base+"new/dir/a", "ftp://other.test/a"); err == nil {
		t.Error("renamed to another server")
	}
}

// TestRenameRefused is a server that does not rename over a file.
func TestRenameRefused(t *testing.T) {
	site := newSite(t, false, ftptest.Reply("RNTO", "553 File exists.").On(1))
	site.put("a", "b")
	if err := filesystem.Rename(t.Context(), newFS(t, base), base+"a", base+"b"); err != nil {
		t.Fatal(err)
	}
	if got := site.read("b"); got != "a" {
		t.Errorf("b is %q", got)
	}
}

// TestWriteFails has files that do not come about: what was there stays, nothing is
// left on either side, and the error is logged for those who do not look at it.
func TestWriteFails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	site := newSite(t, false, ftptest.Fail("STOR", "452 Disk full."))
	site.put("a")
	fsys := newFS(t, base)
	var reply *ftpnat.ReplyError
	if err := filesystem.Write(t.Context(), fsys, base+"a", []byte("new")); !errors.As(err, &reply) || reply.Reply.Code != 452 {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := fsys.OpenWrite(ctx, base+"a")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "new")
	cancel()
	if err := w.Close(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := site.read("a"); got != "a" {
		t.Errorf("a is %q", got)
	}
	if names, err := fs.Glob(site.current.Load().FS(), "*"); len(names) != 1 || err != nil {
		t.Errorf("left on the server: %v, %v", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(os.TempDir(), "ftpnat-*")); len(names) > 0 || err != nil {
		t.Errorf("left on the disk: %v, %v", names, err)
	}
}

// TestRefused has a thousand bundles with a wrong password: the server hears it
// once.
func TestRefused(t *testing.T) {
	srv := ftptest.NewUnstartedServer(nil)
	srv.Users = map[string]string{"beam": "right"}
	srv.Start()
	defer srv.Close()
	use(t, func(server *url.URL) (*ftpnat.Dialer, error) {
		return &ftpnat.Dialer{User: server.User.Username(), Password: secret}, nil
	})
	path := "ftp://beam@" + srv.Addr + "/*"
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			fsys, err := filesystem.New(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = fsys.List(t.Context(), path)
			var reply *ftpnat.ReplyError
			if !errors.As(err, &reply) || strings.Contains(err.Error(), secret) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, c := range srv.Commands() {
		if strings.HasPrefix(c, "PASS") {
			n++
		}
	}
	if n > 1 {
		t.Errorf("the password was sent %d times", n)
	}
}

// TestMaxConns has many files read at once, over as many connections as the Dialer
// allows; they are closed when nobody uses them.
func TestMaxConns(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"a": {Data: make([]byte, 100_000)}})
	defer srv.Close()
	use(t, func(*url.URL) (*ftpnat.Dialer, error) { return &ftpnat.Dialer{MaxConns: 2}, nil })
	path := "ftp://" + srv.Addr + "/a"
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if data, err := filesystem.Read(t.Context(), New(t.Context()), path); len(data) != 100_000 || err != nil {
				t.Errorf("%d, %v", len(data), err)
			}
		})
	}
	wg.Wait()
	logins := func() (n int) {
		for _, c := range srv.Commands() {
			if strings.HasPrefix(c, "USER") {
				n++
			}
		}
		return n
	}
	if n := logins(); n > 2 {
		t.Errorf("%d logins", n)
	}
	s := serverOf(serverKey{scheme: "ftp", host: srv.Addr})
	r, err := New(t.Context()).OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := CloseIdle(); err != nil || s.fsys == nil {
		t.Errorf("closed under a reader: %v", err)
	}
	r.Close()
	if err := r.Close(); err != nil || s.users != 0 {
		t.Errorf("%d users, %v", s.users, err)
	}
	if err := CloseIdle(); err != nil || s.fsys != nil {
		t.Errorf("not closed: %v", err)
	}
}

// TestRoot reaches the root of the server beside the login directory.
func TestRoot(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"srv/data/a": {Data: []byte("abc")}})
	defer srv.Close()
	use(t, nil)
	t.Setenv("NETRC", filepath.Join(t.TempDir(), "none"))
	path := "ftp://" + srv.Addr + "//srv/data/"
	fsys := newFS(t, path)
	names, err := fsys.List(t.Context(), path+"*")
	if !slices.Equal(names, []string{path + "a"}) || err != nil {
		t.Fatalf("%v, %v", names, err)
	}
	if data, err := filesystem.Read(t.Context(), fsys, names[0]); string(data) != "abc" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestNetrc(t *testing.T) {
	name := filepath.Join(t.TempDir(), "netrc")
	t.Setenv("NETRC", name)
	text := fmt.Sprintf("machine ftp.test login beam password %s\nmachine other.test login joe password x\n", secret)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string][2]string{
		"ftp://ftp.test:2121": {"beam", secret}, "ftp://beam@ftp.test": {"beam", secret}, "ftp://jim@ftp.test": {"jim", ""}, "ftp://third.test": {},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := DefaultDialer(u); err != nil || d.User != want[0] || d.Password != want[1] {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

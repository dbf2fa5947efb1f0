package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// world is a person's machine: a home, a working directory and what they typed
// before.
type world struct {
	t    *testing.T
	dir  string
	env  map[string]string
	in   string
	term bool
	ask  func(context.Context, string) (string, error)
	ctx  context.Context
	see  func(string) // sees what is written to standard error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), env: make(map[string]string), ctx: t.Context()}
	t.Chdir(w.dir)
	w.ask = func(context.Context, string) (string, error) { return "", errNoTerminal }
	return w
}

// result is how a run ended.
type result struct {
	code     int
	out, err string
}

// watched is a buffer that tells of what comes.
type watched struct {
	mu sync.Mutex
	bytes.Buffer
	see func(string)
}

func (b *watched) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.see != nil {
		b.see(string(p))
	}
	return b.Buffer.Write(p)
}

// run types a command.
func (w *world) run(args ...string) result {
	w.t.Helper()
	var out bytes.Buffer
	errs := &watched{see: w.see}
	sys := &system{in: strings.NewReader(w.in), out: &out, err: errs, ask: w.ask, errTerm: w.term,
		getenv: func(name string) string { return w.env[name] },
		home:   filepath.Join(w.dir, "home"), cache: filepath.Join(w.dir, "cache")}
	code := run(w.ctx, sys, args)
	return result{code, out.String(), errs.String()}
}

// ok types a command that has to succeed, and returns its output.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("ftpnat %q: exit code %d\n%s", args, r.code, r.err)
	}
	return r.out
}

// fails types a command that has to fail with a code and a text.
func (w *world) fails(want code, text string, args ...string) result {
	w.t.Helper()
	r := w.run(args...)
	if r.code != int(want) || !strings.Contains(r.err, text) {
		w.t.Errorf("ftpnat %q: exit code %d, want %d and %q\n%s%s", args, r.code, want, text, r.out, r.err)
	}
	return r
}

// write makes a local file.
func (w *world) write(name, text string) {
	w.t.Helper()
	full := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// has checks what is in a tree: names to contents, and nothing else.
func has(t *testing.T, fsys fs.FS, dir string, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		got[relative(dir, name)] = string(data)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s has %.40q, want %.40q", name, got[name], text)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s should not be there", name)
	}
}

// local is the working directory as a file system.
func (w *world) local() fs.FS { return os.DirFS(w.dir) }

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// files is what the server of most tests has.
func files() fstest.MapFS {
	return fstest.MapFS{
		"pub/a.csv":       {Data: []byte("1,2,3\n"), ModTime: day, Mode: 0o644},
		"pub/sub/b.txt":   {Data: []byte("bee"), ModTime: day},
		"pub/sub/c d.txt": {Data: []byte("sea"), ModTime: day},
	}
}

// serve starts a server.
func serve(t *testing.T, fsys fs.FS, faults ...ftptest.Fault) *ftptest.Server {
	t.Helper()
	srv := ftptest.NewServer(fsys, faults...)
	t.Cleanup(srv.Close)
	return srv
}

// guarded starts a server that asks for a login: joe, secretword.
func guarded(t *testing.T, start func(*ftptest.Server), faults ...ftptest.Fault) *ftptest.Server {
	t.Helper()
	srv := ftptest.NewUnstartedServer(files(), faults...)
	srv.Users = map[string]string{"joe": secret}
	start(srv)
	t.Cleanup(srv.Close)
	return srv
}

const secret = "secretword"

// as puts a user into a URL.
func as(user, url string) string { return strings.Replace(url, "://", "://"+user+"@", 1) }

// now is a time that a server can tell.
func (w *world) now() time.Time { return time.Now().Truncate(time.Second) }

// peerCertificate asks a server for its certificate.
func peerCertificate(t *testing.T, srv *ftptest.Server) []byte {
	t.Helper()
	var der []byte
	d := ftpnat.Dialer{TLSConfig: srv.ClientTLS(), ImplicitTLS: strings.HasPrefix(srv.URL, "ftps:"), User: "joe", Password: secret}
	d.TLSConfig.VerifyConnection = func(s tls.ConnectionState) error {
		der = s.PeerCertificates[0].Raw
		return nil
	}
	c, err := d.Dial(t.Context(), srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	return der
}

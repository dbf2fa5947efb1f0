package ftptest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

func files() fstest.MapFS {
	return fstest.MapFS{
		"in/a.bin": {Data: bytes.Repeat([]byte("ftpnat"), 2000), ModTime: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)},
	}
}

func open(t *testing.T, srv *ftptest.Server, d ftpnat.Dialer) *ftpnat.FS {
	t.Helper()
	t.Cleanup(srv.Close)
	fsys, err := d.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fsys.Close() })
	return fsys
}

// Each fault is met by a client that gets over it, or sees it.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault ftptest.Fault
		want  string // in the error; empty for none
		sent  string // a command that must have been sent
	}{
		"none":     {},
		"refused":  {fault: ftptest.Refuse("EPSV"), sent: "PASV"},
		"reset":    {fault: ftptest.ResetAt("EPSV"), sent: "PASV"},
		"cut":      {fault: ftptest.CutData(5000), sent: "REST 904"},
		"reply":    {fault: ftptest.Reply("RETR", "550 Permission denied."), want: "Permission denied"},
		"fail":     {fault: ftptest.Fail("RETR", "550 Disk error."), want: "Disk error"},
		"delay":    {fault: ftptest.Delay("RETR", time.Millisecond)},
		"cut once": {fault: ftptest.CutData(9000).On(1)},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ftptest.NewServer(files(), c.fault)
			fsys := open(t, srv, ftpnat.Dialer{RetryFor: 5 * time.Second})
			data, err := fs.ReadFile(fsys, "in/a.bin")
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			case c.want == "" && !bytes.Equal(data, files()["in/a.bin"].Data):
				t.Errorf("got %d other bytes", len(data))
			}
			if sent := srv.Commands(); c.sent != "" && !slices.ContainsFunc(sent, func(line string) bool { return strings.HasPrefix(line, c.sent) }) {
				t.Errorf("no %s among %q", c.sent, sent)
			}
		})
	}
}

// A server that swallows or stalls holds up its client until that gives up.
func TestSilentFaults(t *testing.T) {
	for name, fault := range map[string]ftptest.Fault{
		"swallow": ftptest.Swallow("RETR"),
		"stall":   ftptest.StallData(100),
	} {
		t.Run(name, func(t *testing.T) {
			srv := ftptest.NewServer(files(), fault)
			fsys := open(t, srv, ftpnat.Dialer{RetryFor: -1})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := fs.ReadFile(fsys.WithContext(ctx), "in/a.bin")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	srv := ftptest.NewUnstartedServer(files())
	srv.Users = map[string]string{"joe": "secret"}
	srv.Start()
	defer srv.Close()
	if _, err := ftpnat.Open(t.Context(), srv.URL); err == nil {
		t.Error("anonymous was let in")
	}
	fsys := open(t, srv, ftpnat.Dialer{User: "joe", Password: "secret"})
	if _, err := fsys.Stat("in/a.bin"); err != nil {
		t.Error(err)
	}
	if sent := strings.Join(srv.Commands(), "\n"); strings.Contains(sent, "secret") {
		t.Errorf("the password is in %s", sent)
	}
}

func TestTLS(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		srv := ftptest.NewUnstartedServer(files())
		srv.ImplicitTLS = implicit
		srv.StartTLS()
		fsys := open(t, srv, ftpnat.Dialer{TLSConfig: srv.ClientTLS()})
		if _, err := fsys.ReadFile("in/a.bin"); err != nil {
			t.Errorf("implicit %v: %v", implicit, err)
		}
	}
	plain := ftptest.NewServer(nil)
	defer plain.Close()
	if plain.ClientTLS() != nil {
		t.Error("a server without TLS has a configuration for it")
	}
}

// The server's files are a copy, seen by FS and changed by both sides.
func TestFiles(t *testing.T) {
	src := files()
	srv := ftptest.NewServer(src)
	fsys := open(t, srv, ftpnat.Dialer{})
	if err := fsys.Remove("in/a.bin"); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := srv.WriteFile("in/b.txt", []byte("b"), when); err != nil {
		t.Fatal(err)
	}
	info, err := fsys.Stat("in/b.txt")
	if err != nil || !info.ModTime().Equal(when) {
		t.Errorf("got %v, %v", info, err)
	}
	if err := srv.Remove("in/b.txt"); err != nil {
		t.Fatal(err)
	}
	if list, err := fs.ReadDir(srv.FS(), "in"); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if _, ok := src["in/a.bin"]; !ok {
		t.Error("the original was changed")
	}
}

func TestStartTwice(t *testing.T) {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	srv.Start()
}

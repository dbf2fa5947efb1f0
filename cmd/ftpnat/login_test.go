package main

import (
	"context"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/ftptest"
)

// Each source of a password is found, the closest one first, and none shows.
func TestLogins(t *testing.T) {
	srv := guarded(t, (*ftptest.Server).Start)
	asked := func(context.Context, string) (string, error) { return secret, nil }
	for name, c := range map[string]struct {
		set  func(w *world)
		args []string
		code code
	}{
		"URL":            {nil, []string{"ls", as("joe:"+secret, srv.URL)}, codeOK},
		"environment":    {func(w *world) { w.env["FTPNAT_PASSWORD"] = secret }, []string{"ls", as("joe", srv.URL)}, codeOK},
		"file":           {func(w *world) { w.write("pw", secret+"\r\nmore") }, []string{"ls", "-u", "joe", "--password-file", "pw", srv.URL}, codeOK},
		"standard input": {func(w *world) { w.in = secret + "\n" }, []string{"ls", "-u", "joe", "--password-file", "-", srv.URL}, codeOK},
		"prompt":         {func(w *world) { w.ask = asked }, []string{"ls", "-u", "joe", srv.URL}, codeOK},
		"nobody to ask":  {nil, []string{"ls", "-u", "joe", srv.URL}, codeUsage},
		"netrc":          {func(w *world) { w.write("home/.netrc", "machine 127.0.0.1 login joe password "+secret+"\n") }, []string{"ls", srv.URL}, codeOK},
		"netrc, user":    {func(w *world) { w.write("home/.netrc", "machine 127.0.0.1\nlogin joe\npassword "+secret) }, []string{"ls", "-u", "joe", srv.URL}, codeOK},
		"netrc, default": {func(w *world) {
			w.write("home/.netrc", "machine x login y password z\ndefault login joe password "+secret)
		}, []string{"ls", srv.URL}, codeOK},
		"netrc, other": {func(w *world) {
			w.write("home/.netrc", "machine 127.0.0.1 login jim password x\n")
			w.ask = asked
		}, []string{"ls", "-u", "joe", srv.URL}, codeOK},
		"netrc elsewhere": {func(w *world) {
			w.write("rc", "machine 127.0.0.1 login joe password "+secret+"\n")
			w.env["NETRC"] = "rc"
		}, []string{"ls", srv.URL}, codeOK},
		"file before environment": {func(w *world) {
			w.write("pw", secret)
			w.env["FTPNAT_PASSWORD"] = "wrong"
		}, []string{"ls", "-u", "joe", "--password-file", "pw", srv.URL}, codeOK},
		"environment before netrc": {func(w *world) {
			w.write("home/.netrc", "machine 127.0.0.1 login joe password wrong\n")
			w.env["FTPNAT_PASSWORD"] = secret
		}, []string{"ls", srv.URL}, codeOK},
		"file without a user": {func(w *world) { w.write("pw", secret) }, []string{"ls", "--password-file", "pw", srv.URL}, codeUsage},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.set != nil {
				c.set(w)
			}
			for _, flag := range []string{"-v", "--log-json"} {
				r := w.run(append(c.args, flag)...)
				if r.code != int(c.code) {
					t.Errorf("got %+v", r)
				}
				if strings.Contains(r.out+r.err, secret) {
					t.Errorf("the password shows: %s", r.err)
				}
				if w.in != "" {
					w.in = secret + "\n"
				}
			}
		})
	}
}

// A password that went in clear text where TLS could be had is worth a line.
func TestClearTextHint(t *testing.T) {
	w := newWorld(t)
	w.env["FTPNAT_PASSWORD"] = secret
	feat := ftptest.Reply("FEAT", "211-Features:\n AUTH TLS\n SIZE\n REST STREAM\n211 End")
	srv := guarded(t, (*ftptest.Server).Start, feat)
	const hint = "went over the network in clear text, and the server offers TLS"
	r := w.run("ls", as("joe", srv.URL))
	if r.code != 0 || !strings.Contains(r.err, hint) || !strings.Contains(r.err, "ftpes://joe@"+srv.Addr) {
		t.Errorf("got %+v", r)
	}
	if r := w.run("probe", as("joe", srv.URL)); !strings.Contains(r.out, "ftpes://joe@"+srv.Addr) {
		t.Errorf("got %+v", r)
	}
	if r := w.run("ls", "-q", as("joe", srv.URL)); r.err != "" {
		t.Errorf("-q: got %+v", r)
	}
	if r := w.run("ls", serve(t, files(), feat).URL); strings.Contains(r.err, hint) {
		t.Errorf("an anonymous login: got %+v", r)
	}
}

func TestTLS(t *testing.T) {
	w := newWorld(t)
	w.env["FTPNAT_PASSWORD"] = secret
	for _, implicit := range []bool{false, true} {
		srv := guarded(t, func(s *ftptest.Server) {
			s.ImplicitTLS = implicit
			s.StartTLS()
		})
		w.write("ca.pem", certificate(t, srv))
		w.ok("ls", "--ca-file", "ca.pem", as("joe", srv.URL))
		w.ok("ls", "--insecure", as("joe", srv.URL))
		w.fails(codeCertificate, "certificate not trusted", "ls", as("joe", srv.URL))
		if !implicit {
			w.ok("ls", "--tls", "--ca-file", "ca.pem", "-u", "joe", srv.Addr)
		}
	}
	w.fails(codeUsage, "no certificate in PEM form", "ls", "--tls", "--ca-file", "junk", "host")
}

// certificate is the server's certificate as a file.
func certificate(t *testing.T, srv *ftptest.Server) string {
	t.Helper()
	if err := os.WriteFile("junk", []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: peerCertificate(t, srv)}))
}

// What worked is known in the next run, unless that is not wanted.
func TestMemory(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Refuse("EPSV"))
	epsv := func() (n int) {
		for _, line := range srv.Commands() {
			if line == "EPSV" {
				n++
			}
		}
		return n
	}
	w.ok("ls", srv.URL)
	first := epsv()
	w.ok("ls", srv.URL)
	if first == 0 || epsv() != first {
		t.Errorf("EPSV was sent %d and then %d times", first, epsv())
	}
	w.ok("ls", "--no-memory", srv.URL)
	if epsv() == first {
		t.Error("--no-memory remembers")
	}
	// A file that cannot be read is no reason to fail.
	w.write("cache/ftpnat/paths.json", "{junk")
	w.ok("ls", srv.URL)
	if !strings.Contains(w.memory(), srv.Addr) {
		t.Errorf("got %s", w.memory())
	}
}

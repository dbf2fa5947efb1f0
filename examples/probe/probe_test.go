package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

var update = flag.Bool("update", false, "write the golden file")

// program runs the program with the URL of a server.
func program(t *testing.T, asJSON bool, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), &out, asJSON, false, args)
	return out.String(), err
}

// maskPorts hides the ports that the network hands out.
func maskPorts(page string) string {
	return regexp.MustCompile(`:49\d{3}\b`).ReplaceAllString(page, ":#####")
}

// TestGolden compares the reports on the boxes with a file, and reads what
// programs get of them.
func TestGolden(t *testing.T) {
	var page string
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var out bytes.Buffer
		all, err := probeBoxes(t.Context(), &out)
		if err != nil || len(all) != len(boxes) {
			t.Errorf("%d reports, %v", len(all), err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v: they are probed at the same time", took)
		}
		page = maskPorts(out.String())
		for i, f := range all {
			checkJSON(t, boxes[i], f)
		}
	})
	name := filepath.Join("testdata", "boxes.txt")
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(page, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(lines)) {
		if i >= len(got) || i >= len(lines) || got[i] != lines[i] {
			t.Fatalf("the output differs from %s, for the first time in line %d:\n%s", name, i+1, page)
		}
	}
	if strings.Contains(page, secret+"@") || strings.ContainsAny(page, "\x1b\t\r") {
		t.Error("the page has a password or a control character")
	}
}

// checkJSON reads a report on a box as a program does.
func checkJSON(t *testing.T, b box, f finding) {
	t.Helper()
	var out bytes.Buffer
	if err := show(&out, f.Report, true); err != nil {
		t.Error(err)
	}
	var r struct {
		Server string
		Mode   ftpnat.Mode
		NAT    ftpnat.Finding
		RTT    string
		Advice []string
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if f.Box != b.name || r.Mode != b.mode || r.Server != host+":21" || r.NAT == ftpnat.Unknown || r.RTT != "50ms" || len(r.Advice) == 0 ||
		!strings.HasPrefix(f.Path, "client ") {
		t.Errorf("%s: %+v", f.Box, r)
	}
}

func TestDialer(t *testing.T) {
	for _, c := range []struct {
		url, addr, user, password string
		tls, implicit             bool
	}{
		{"ftp://a.example/dir", "a.example:21", "", "", false, false},
		{"ftp://joe:a%40b@a.example:2121", "a.example:2121", "joe", "a@b", false, false},
		{"ftpes://joe@[2001:db8::1]", "[2001:db8::1]:21", "joe", "", true, false},
		{"ftps://a.example", "a.example:990", "", "", true, true},
	} {
		d, addr, err := dialer(c.url)
		if err != nil {
			t.Fatalf("%s: %v", c.url, err)
		}
		if addr != c.addr || d.User != c.user || d.Password != c.password || (d.TLSConfig != nil) != c.tls || d.ImplicitTLS != c.implicit {
			t.Errorf("%s: %s, %+v", c.url, addr, d)
		}
	}
	for _, url := range []string{"ftp.example.com", "http://user:s3cret@example.com/", "ftp:///dir", "ftp://user:s3cret@exa mple.com/", "ftp://user:s3cret@example.com:port/"} {
		if _, _, err := dialer(url); err == nil || !strings.Contains(err.Error(), "want a URL") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The server of its own has two faults, which are found.
func TestDemo(t *testing.T) {
	out, err := program(t, false)
	if err != nil || !strings.Contains(out, "PORT works, and is found after EPSV and PASV.") || !strings.Contains(out, "names 10.0.0.7") {
		t.Errorf("%v, printed:\n%s", err, out)
	}
}

// serve starts a server with one user.
func serve(t *testing.T, faults ...ftptest.Fault) *ftptest.Server {
	t.Helper()
	srv := ftptest.NewUnstartedServer(nil, faults...)
	srv.Users = map[string]string{"joe": "s3cret"}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func TestURL(t *testing.T) {
	url := "ftp://joe:s3cret@" + serve(t).Addr + "/pub"
	for _, asJSON := range []bool{false, true} {
		out, err := program(t, asJSON, url)
		for _, want := range []string{"EPSV", "PASV", "PORT", "EPRT", "EPSV works: there is nothing to be changed."} {
			if err != nil || !strings.Contains(out, want) || strings.Contains(out, "s3cret") {
				t.Errorf("%v, want %q, printed:\n%s", err, want, out)
			}
		}
		if json.Valid([]byte(out)) != asJSON {
			t.Errorf("printed as JSON: %t", !asJSON)
		}
	}
}

func TestURLFails(t *testing.T) {
	open := serve(t)
	closed := serve(t, ftptest.Refuse("EPSV"), ftptest.Refuse("PASV"), ftptest.Refuse("PORT"), ftptest.Refuse("EPRT"))
	for name, c := range map[string]struct{ url, out, err string }{
		"no mode works":  {"ftp://joe:s3cret@" + closed.Addr, "The server does not allow this mode.", "refused"},
		"wrong password": {"ftp://joe:wr0ng@" + open.Addr, "", "530"},
		"no TLS":         {"ftpes://joe:s3cret@" + open.Addr, "", "AUTH TLS"},
		"nobody there":   {"ftp://joe:s3cret@" + closedAddr(t), "", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := program(t, false, c.url)
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(out, c.out) || (c.out == "") != (out == "") {
				t.Errorf("%v, printed:\n%s", err, out)
			}
			if err == nil || strings.Contains(out, "s3cret") || strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the password is in %v:\n%s", err, out)
			}
		})
	}
}

// closedAddr returns an address on which nobody listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return ln.Addr().String()
}

// TestMap probes with a Mapper. A loopback address has no gateway, so that
// nothing is sent to one.
func TestMap(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, false, true, []string{"ftp://joe:s3cret@" + serve(t).Addr}); err != nil {
		t.Errorf("%v, printed:\n%s", err, &out)
	}
}

// TestInterrupt checks that the end of the context ends a probe, and that nothing
// of it stays behind.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{0, 10 * time.Millisecond, time.Second, 5 * time.Second} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			start := time.Now()
			_, err := probeBoxes(ctx, new(bytes.Buffer))
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after %v: %v", after, err)
			}
			if took := time.Since(start); took > after+2*time.Second {
				t.Errorf("after %v: took %v", after, took)
			}
		}
	})
}

// full is a writer that has no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestOutput has the output fail.
func TestOutput(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		err := run(t.Context(), full{}, asJSON, false, []string{"ftp://joe:s3cret@" + serve(t).Addr})
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("got %v", err)
		}
	}
}

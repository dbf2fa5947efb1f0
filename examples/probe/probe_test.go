package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/portmap"
)

var update = flag.Bool("update", false, "write the golden file")

// program runs the program, and returns its exit code and what it printed.
func program(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// maskPorts hides the ports that the network hands out.
func maskPorts(page string) string {
	return regexp.MustCompile(`:49\d{3}\b`).ReplaceAllString(page, ":#####")
}

// TestGolden compares what is printed for the boxes with a file.
func TestGolden(t *testing.T) {
	var page string
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		code, out, errs := program(t.Context())
		if code != exitOK || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v: they are probed at the same time", took)
		}
		page = maskPorts(out)
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

// TestJSON reads what is printed for programs.
func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code, out, errs := program(t.Context(), "-json")
		if code != exitOK || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		var all []struct {
			Box, Path string
			Report    struct {
				Server string
				Mode   ftpnat.Mode
				NAT    ftpnat.Finding
				RTT    string
				Advice []string
			}
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatal(err)
		}
		if len(all) != len(boxes) {
			t.Fatalf("%d reports, want %d", len(all), len(boxes))
		}
		for i, f := range all {
			if f.Box != boxes[i].name || f.Report.Mode != boxes[i].mode || f.Report.Server != host+":21" || f.Report.NAT == ftpnat.Unknown ||
				f.Report.RTT != "50ms" || len(f.Report.Advice) == 0 || !strings.HasPrefix(f.Path, "client ") {
				t.Errorf("%+v", f)
			}
		}
	})
}

func TestCommandLine(t *testing.T) {
	cases := []struct {
		args []string
		want string // in what is printed to standard error
	}{
		{[]string{"-bogus"}, "flag provided but not defined: -bogus"},
		{[]string{"ftp.example.com"}, "the URL has to be of the form ftp://"},
		{[]string{"http://user:s3cret@example.com/"}, "the URL has to be of the form ftp://"},
		{[]string{"ftp:///dir"}, "the URL has to be of the form ftp://"},
		{[]string{"ftp://user:s3cret@exa mple.com/"}, "the URL cannot be read"},
		{[]string{"ftp://user:s3cret@example.com:port/"}, "the URL cannot be read"},
		{[]string{"ftp://a.example", "ftp://b.example"}, "one URL can be probed"},
		{[]string{"ftp://joe:s3cret@a.example", "-bogus"}, "flag provided but not defined: -bogus"},
		{[]string{"ftp://a.example", "-json", "ftp://b.example"}, "2 arguments were given"},
		{[]string{"ftp://a.example", "--", "-json"}, "2 arguments were given"},
		{[]string{"-map"}, "-map is for a real server"},
		{[]string{"-map", "-proxy", "socks5://joe:s3cret@p.example", "ftp://a.example"}, "-map is for active mode"},
		{[]string{"-public", "203.0.113.7"}, "-public is for a real server"},
		{[]string{"-proxy", "socks5://joe:s3cret@a.example"}, "-proxy is for a real server"},
		{[]string{"-public", "here", "ftp://a.example"}, "-public"},
		{[]string{"-ports", "40000", "ftp://a.example"}, "want two ports"},
		{[]string{"-ports", "5-4", "ftp://a.example"}, "the smaller one first"},
		{[]string{"-ports", "1-65536", "ftp://a.example"}, "want two ports"},
		{[]string{"-timeout", "soon", "ftp://a.example"}, "-timeout"},
		{[]string{"-timeout", "-1s", "ftp://a.example"}, "-timeout -1s"},
		{[]string{"-proxy", "gopher://joe:s3cret@a.example", "ftp://a.example"}, "-proxy: the URL has to be of the form socks5://"},
		{[]string{"-proxy", "http://joe:s3cret@a.ex ample", "ftp://a.example"}, "-proxy: the URL cannot be read"},
	}
	for _, c := range cases {
		code, out, errs := program(t.Context(), c.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%q: exit code %d, printed %q and %q, want %q", c.args, code, out, errs, c.want)
		}
		if strings.Contains(errs, "s3cret") {
			t.Errorf("%q: the password is in %q", c.args, errs)
		}
	}
}

func TestHelp(t *testing.T) {
	code, out, errs := program(t.Context(), "-help")
	if code != exitOK || out != "" || !strings.HasPrefix(errs, "usage: probe") || !strings.Contains(errs, "-ports range") || !strings.Contains(errs, "  -map\n") {
		t.Errorf("exit code %d, printed %q and %q", code, out, errs)
	}
}

// optionsTest is a URL and what is read from it.
type optionsTest struct {
	url, addr, user, password string
	tls, implicit             bool
}

// TestOptions puts the flags before, around and after the URL.
func TestOptions(t *testing.T) {
	cases := []optionsTest{
		{"ftp://a.example/dir", "a.example:21", "", "", false, false},
		{"ftp://joe:a%40b@a.example:2121", "a.example:2121", "joe", "a@b", false, false},
		{"ftpes://joe@[2001:db8::1]", "[2001:db8::1]:21", "joe", "", true, false},
		{"ftps://a.example", "a.example:990", "", "", false, true},
	}
	flags := []string{"-public", "203.0.113.7", "-ports", "40000-40009", "-proxy", "socks5://p.example", "-timeout", "5s"}
	for _, c := range cases {
		for at := 0; at <= len(flags); at += 2 {
			c.check(t, slices.Insert(slices.Clone(flags), at, c.url))
		}
		c.check(t, append(slices.Clone(flags), "--", c.url))
	}
}

func (c optionsTest) check(t *testing.T, args []string) {
	t.Helper()
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	d := &o.dialer
	if o.addr != c.addr || d.User != c.user || d.Password != c.password || (d.TLSConfig != nil) != c.tls || d.ImplicitTLS != c.implicit ||
		d.PublicAddr != homePublic || d.ListenPorts != [2]uint16{40000, 40009} || d.ProxyURL.Host != "p.example" || o.timeout != 5*time.Second {
		t.Errorf("%q: %+v", args, o)
	}
}

// realServer starts a server on a loopback port and returns its address.
func realServer(t *testing.T, script ...ftptest.Step) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &ftptest.Server{Users: map[string]string{user: "s3cret"}, Script: script}
	srv.Start(ln)
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

func TestURL(t *testing.T) {
	addr := realServer(t)
	url := "ftp://demo:s3cret@" + addr + "/pub"
	for _, args := range [][]string{{url}, {"-json", url}, {url, "-json"}} {
		code, out, errs := program(t.Context(), args...)
		if code != exitOK || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		for _, want := range []string{addr, "EPSV", "PASV", "PORT", "EPRT", "EPSV works: there is nothing to be changed."} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in the output", want)
			}
		}
		if strings.Contains(out, "s3cret") || t.Failed() {
			t.Errorf("printed:\n%s", out)
		}
		if isJSON := json.Valid([]byte(out)); isJSON != slices.Contains(args, "-json") {
			t.Errorf("%q: printed JSON: %t", args, isJSON)
		}
	}
}

func TestURLFails(t *testing.T) {
	refuse := ftptest.Step{Reply: "502 no"}
	var script []ftptest.Step
	for _, verb := range []string{"EPSV", "PASV", "PORT", "EPRT"} {
		refuse.On = verb
		script = append(script, refuse)
	}
	addr := realServer(t, script...)
	slow := realServer(t, ftptest.Step{On: "USER", Delay: time.Minute})
	cases := []struct {
		name        string
		args        []string
		out, stderr string
	}{
		{"no mode works", []string{"ftp://demo:s3cret@" + addr}, "The server does not allow this mode.", ""},
		{"wrong password", []string{"ftp://demo:wr0ng@" + addr}, "", "530"},
		{"no TLS", []string{"ftpes://demo:s3cret@" + addr}, "", "AUTH TLS"},
		{"nobody there", []string{"ftp://demo:s3cret@" + closedAddr(t)}, "", "refused"},
		{"no time", []string{"-timeout", "400ms", "ftp://demo:s3cret@" + slow}, "", "the login took more than"},
		{"no time at all", []string{"-timeout", "1ns", "ftp://demo:s3cret@" + slow}, "", "no report within 1ns"},
		{"no proxy there", []string{"-proxy", "http://joe:s3cret@" + closedAddr(t), "ftp://" + addr}, "", "refused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := program(t.Context(), c.args...)
			if code != exitFailed || !strings.Contains(out, c.out) || !strings.Contains(errs, c.stderr) {
				t.Errorf("exit code %d, printed:\n%s\n%s", code, out, errs)
			}
			if (c.out == "") != (out == "") || (c.stderr == "") != (errs == "") {
				t.Errorf("printed %q and %q", out, errs)
			}
			if strings.Contains(out+errs, "s3cret") || strings.Contains(out+errs, "wr0ng") {
				t.Errorf("the password is in:\n%s\n%s", out, errs)
			}
		})
	}
}

// TestMap checks that -map sets a Mapper, and that the end closes it. A loopback
// address has no gateway, so that nothing is sent to one.
func TestMap(t *testing.T) {
	url := "ftp://demo:s3cret@" + realServer(t)
	o, err := parse([]string{url, "-map"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := probeServer(t.Context(), o, &out); err != nil {
		t.Errorf("%v, printed:\n%s", err, &out)
	}
	m, ok := o.dialer.Mapper.(*portmap.Mapper)
	if !ok {
		t.Fatalf("the Mapper is a %T", o.dialer.Mapper)
	}
	if _, err := m.Map(t.Context(), netip.MustParseAddrPort("127.0.0.1:50000")); !errors.Is(err, portmap.ErrClosed) {
		t.Errorf("the Mapper is in use after the end: %v", err)
	}
	if o, err := parse([]string{url}, io.Discard); err != nil || o.dialer.Mapper != nil || o.mapping {
		t.Errorf("without -map: %+v, %v", o, err)
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

// TestInterrupt checks that the end of the context ends the program, and that
// nothing of it stays behind.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{0, 10 * time.Millisecond, time.Second, 5 * time.Second} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			start := time.Now()
			code, _, errs := program(ctx)
			cancel()
			if code != exitInterrupted || errs != "probe: interrupted\n" {
				t.Errorf("after %v: exit code %d, %q", after, code, errs)
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
	addr := realServer(t)
	for _, args := range [][]string{{"ftp://demo:s3cret@" + addr}, {"-json", "ftp://demo:s3cret@" + addr}} {
		var errs bytes.Buffer
		if code := run(t.Context(), args, full{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%q: exit code %d, %q", args, code, &errs)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

var update = flag.Bool("update", false, "write the golden file")

// program runs the program, and returns its exit code and what it printed.
func program(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &printer{w: &out}, &errs)
	return code, out.String(), errs.String()
}

// TestScenarios plays each scenario and checks what the reader is told of it.
func TestScenarios(t *testing.T) {
	// The attempts until the first data connection.
	want := map[string]string{
		"story-2006":      "PORT EPSV",
		"clear":           "EPSV",
		"epsv-refused":    "EPSV PASV",
		"epsv-swallowed":  "EPSV PASV",
		"passive-blocked": "EPSV PASV PORT",
		"nat-helper":      "EPSV PASV PORT",
		"forwarded-range": "EPSV PASV PORT PORT",
		"private-227":     "EPSV PASV",
		"port-ignored":    "PORT PORT EPSV",
		"one-connection":  "EPSV PASV",
		"nothing-works":   "EPSV PASV PORT PORT EPRT EPRT",
	}
	if len(want) != len(scenarios) {
		t.Errorf("%d scenarios, %d of them are tested", len(scenarios), len(want))
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				o, err := playOne(t.Context(), &printer{w: &out}, s)
				if err != nil {
					t.Fatalf("%v\n%s", err, &out)
				}
				var tried []string
				for _, a := range o.first() {
					tried = append(tried, a.Mode.String())
				}
				if got := strings.Join(tried, " "); got != want[s.name] {
					t.Errorf("tried %q, want %q", got, want[s.name])
				}
				if s.want != 0 && len(o.attempts) != len(o.first())+1 {
					t.Errorf("%d attempts after the first data connection, want 1", len(o.attempts)-len(o.first()))
				}
				if o.mode() != s.want {
					t.Errorf("%v works, want %v", o.mode(), s.want)
				}
				checkPage(t, out.String())
			})
		})
	}
}

// checkPage checks what holds for all that the program prints.
func checkPage(t *testing.T, page string) {
	t.Helper()
	for l := range strings.Lines(page) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > width {
			t.Errorf("a line of %d columns: %q", n, l)
		}
		if strings.ContainsAny(l, "\x1b\r\t") {
			t.Errorf("a control character: %q", l)
		}
		if strings.Contains(l, "PASS") && !strings.HasSuffix(l, "→ PASS ****\n") || strings.Contains(l, ":"+secret+"@") {
			t.Errorf("the password: %q", l)
		}
	}
}

// maskPorts hides the ports that the network hands out.
func maskPorts(page string) string {
	page = regexp.MustCompile(`:49\d{3}\b`).ReplaceAllString(page, ":#####")
	page = regexp.MustCompile(`\(\|\|\|\d+\|\)`).ReplaceAllString(page, "(|||#####|)")
	return regexp.MustCompile(`PORT (\d+,\d+,\d+,\d+),\d+,\d+`).ReplaceAllString(page, "PORT $1,#,#")
}

// TestGolden compares what is printed for the story with a file.
func TestGolden(t *testing.T) {
	var page string
	synctest.Test(t, func(t *testing.T) {
		code, out, errs := program(t.Context(), "-scenario", "story-2006")
		if code != exitOK || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		checkPage(t, out)
		page = out
	})
	got := maskPorts(page)
	name := filepath.Join("testdata", "story-2006.txt")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Fatalf("the output differs from %s, for the first time in line %d:\n%s", name, i+1, got)
		}
	}
}

// TestChart draws the story, and compares it with the picture of the README.
func TestChart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "story.svg")
	synctest.Test(t, func(t *testing.T) {
		if code, out, errs := program(t.Context(), "-scenario", "story-2006", "-svg", file); code != exitOK || out+errs != "" {
			t.Errorf("exit code %d, %q %q", code, out, errs)
		}
	})
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("..", "..", "docs", "story-2006.svg")
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the picture differs from %s (-update writes it):\n%s", name, got)
	}
	if err := xml.Unmarshal(got, new(struct{})); err != nil {
		t.Error(err)
	}
}

// TestAll plays everything, with the summary alone.
func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		code, out, errs := program(t.Context(), "-quiet")
		if code != exitOK || errs != "" {
			t.Errorf("exit code %d, %q", code, errs)
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("took %v, want at most 40s", took)
		}
		if lines := strings.Count(out, "\n"); lines != len(scenarios)+2 {
			t.Errorf("%d lines, want a rule, a head, and one for each scenario:\n%s", lines, out)
		}
		checkPage(t, out)
	})
}

// TestUnexpected checks that a scenario which does not end as it should is an
// error.
func TestUnexpected(t *testing.T) {
	works := outcome{name: "x", attempts: []ftpnat.Attempt{{Mode: ftpnat.EPSV}}}
	refused := ftpnat.Attempt{Mode: ftpnat.EPSV, Cause: ftpnat.Refused}
	fails := outcome{name: "x", attempts: []ftpnat.Attempt{refused},
		err: &ftpnat.NegotiateError{Attempts: []ftpnat.Attempt{refused}}}
	mute := outcome{name: "x", err: new(ftpnat.NegotiateError)}
	other := outcome{name: "x", err: io.ErrUnexpectedEOF}
	cases := []struct {
		name string
		o    outcome
		want ftpnat.Mode
		ok   bool
	}{
		{"works", works, ftpnat.EPSV, true},
		{"works in another mode", works, ftpnat.PORT, false},
		{"works and should not", works, 0, false},
		{"fails and should", fails, 0, true},
		{"fails and should not", fails, ftpnat.EPSV, false},
		{"fails without advice", mute, 0, false},
		{"fails otherwise", other, 0, false},
	}
	for _, c := range cases {
		if err := c.o.check(c.want); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestList(t *testing.T) {
	code, out, _ := program(t.Context(), "-list")
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, s := range scenarios {
		if !strings.Contains(out, s.name+" ") || !strings.Contains(out, s.title) {
			t.Errorf("%s is not listed in:\n%s", s.name, out)
		}
	}
	checkPage(t, out)
}

func TestCommandLine(t *testing.T) {
	cases := []struct {
		args []string
		want string // in what is printed to standard error
	}{
		{[]string{"-svg", "x.svg"}, "-svg draws one scenario"},
		{[]string{"-scenario", "no-such"}, "there is no scenario \"no-such\"; there are:\n  story-2006\n  clear\n"},
		{[]string{"-bogus"}, "flag provided but not defined: -bogus"},
		{[]string{"ftp.example.com"}, "the URL has to be of the form"},
		{[]string{"http://user:s3cret@example.com/"}, "the URL has to be of the form"},
		{[]string{"ftp:///dir"}, "the URL has to be of the form"},
		{[]string{"ftp://user:s3cret@exa mple.com/"}, "the URL cannot be read"},
		{[]string{"ftp://user:s3cret@example.com:port/"}, "the URL cannot be read"},
		{[]string{"ftp://a.example", "ftp://b.example"}, "one URL can be visited"},
		{[]string{"-list", "ftp://a.example"}, "-list"},
		{[]string{"-modes", "PORT"}, "-modes is for a real server"},
		{[]string{"-modes", "PORT,XPSV", "ftp://a.example"}, `"XPSV" is not a mode`},
		{[]string{"-public", "here", "ftp://a.example"}, "-public"},
		{[]string{"-ports", "40000", "ftp://a.example"}, "want two ports"},
		{[]string{"-ports", "5-4", "ftp://a.example"}, "the smaller one first"},
		{[]string{"-ports", "1-65536", "ftp://a.example"}, "want two ports"},
		{[]string{"-timeout", "soon", "ftp://a.example"}, "-timeout"},
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
	if code != exitOK || out != "" || !strings.HasPrefix(errs, "usage: fallback") || !strings.Contains(errs, "-ports range") {
		t.Errorf("exit code %d, printed %q and %q", code, out, errs)
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-modes", "pasv,PORT", "-public", "203.0.113.7", "-ports", "40000-40009", "-timeout", "5s", "ftp://a.example/x"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	d := o.set.dialer()
	if !slices.Equal(d.Modes, []ftpnat.Mode{ftpnat.PASV, ftpnat.PORT}) || d.PublicAddr != homePublic ||
		d.ListenPorts != [2]uint16{40000, 40009} || d.AttemptTimeout != 5*time.Second {
		t.Errorf("the Dialer is %+v", d)
	}
	const want = "Modes: {PASV, PORT}, PublicAddr: 203.0.113.7, ListenPorts: {40000, 40009}, AttemptTimeout: 5s"
	if got := o.set.String(); got != want {
		t.Errorf("the settings are %q, want %q", got, want)
	}
}

// realServer starts a server on a loopback port and returns its address.
func realServer(t *testing.T) string {
	t.Helper()
	tree, err := demoTree()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &ftptest.Server{Tree: tree, Users: map[string]string{user: "s3cret"}}
	srv.Start(ln)
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

func TestURL(t *testing.T) {
	addr := realServer(t)
	code, out, errs := program(t.Context(), "-modes", "PASV", "ftp://demo:s3cret@"+addr+"/pub")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, %q", code, errs)
	}
	for _, want := range []string{"Modes: {PASV}", "→ PASV", "✓ PASV", "2006.csv", "archive/", "2005-12-31,57,2208.75", "PASV works"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	if strings.Contains(out, "s3cret") || t.Failed() {
		t.Errorf("printed:\n%s", out)
	}
}

func TestURLFails(t *testing.T) {
	addr := realServer(t)
	code, out, errs := program(t.Context(), "ftp://demo:wr0ng@"+addr+"/pub")
	if code != exitFailed || !strings.Contains(out, "530") || !strings.Contains(out, "✗ failed") || strings.Contains(out+errs, "wr0ng") {
		t.Errorf("exit code %d, printed:\n%s\n%s", code, out, errs)
	}
	if errs != "" {
		t.Errorf("the error is told twice: %q", errs)
	}
	code, out, errs = program(t.Context(), "-quiet", "ftp://demo:wr0ng@"+addr+"/pub")
	if code != exitFailed || !strings.Contains(errs, "530") || strings.Contains(out+errs, "wr0ng") {
		t.Errorf("quiet: exit code %d, printed:\n%s\n%s", code, out, errs)
	}
}

// TestInterrupt checks that the end of the context ends the program, and that
// nothing of it stays behind.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			start := time.Now()
			code, _, errs := program(ctx)
			cancel()
			if code != exitInterrupted || errs != "fallback: interrupted\n" {
				t.Errorf("after %v: exit code %d, %q", after, code, errs)
			}
			if took := time.Since(start); took > after+2*time.Second {
				t.Errorf("after %v: took %v", after, took)
			}
		}
	})
}

// TestHostileText checks that nothing that a server says reaches the terminal
// as a command.
func TestHostileText(t *testing.T) {
	var out bytes.Buffer
	p := &printer{w: &out, start: time.Now()}
	p.trace().Reply(ftpnat.Reply{Code: 220, Lines: []string{"hi \x1b[2J\u009b31m\u202e", strings.Repeat("long ", 100)}})
	p.text([]byte("\x1b]0;title\x07\r\n\xff\xfe" + strings.Repeat("line\n", 100)))
	entries, err := fs.ReadDir(fstest.MapFS{"a\x1b[2Jb" + strings.Repeat("long", 100): {}}, ".")
	if err != nil {
		t.Fatal(err)
	}
	p.listing(entries)
	p.failure(errors.New("550 \x1b[31m no\n  * advice \x07"))
	checkPage(t, out.String())
	if strings.ContainsAny(out.String(), "\u009b\u202e\x07") {
		t.Errorf("printed %q", out.String())
	}
}

// TestColor checks that colour is paint alone: without it, the text is the same.
func TestColor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var painted, bare bytes.Buffer
		if code := run(t.Context(), []string{"-scenario", "nothing-works"}, &printer{w: &painted, color: true}, io.Discard); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		run(t.Context(), []string{"-scenario", "nothing-works"}, &printer{w: &bare}, io.Discard)
		got := regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(painted.String(), "")
		if painted.Len() == len(got) || got != bare.String() {
			t.Errorf("with colour:\n%s\nwithout:\n%s", got, bare.String())
		}
	})
}

func TestWantsColor(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "page"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cases := []struct {
		f             *os.File
		noColor, term string
		want          bool
	}{
		{null, "", "xterm", true},
		{null, "1", "xterm", false},
		{null, "", "dumb", false},
		{file, "", "xterm", false},
	}
	for _, c := range cases {
		t.Setenv("NO_COLOR", c.noColor)
		t.Setenv("TERM", c.term)
		if got := wantsColor(c.f); got != c.want {
			t.Errorf("%s, NO_COLOR=%q, TERM=%q: %v, want %v", c.f.Name(), c.noColor, c.term, got, c.want)
		}
	}
}

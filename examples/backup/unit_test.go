package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

func TestLocalName(t *testing.T) {
	cases := []struct{ name, goos, want string }{
		{"a/b:c\\d*?", "linux", "a/b:c\\d*?"},
		{"caf\xe9", "linux", "caf\xe9"},
		{"caf\xe9/\u00e9", "darwin", "caf%E9/\u00e9"},
		{"a:b", "windows", "a%3Ab"},
		{`..\..\x`, "windows", "..%5C..%5Cx"},
		{"dir./x ", "windows", "dir%2E/x%20"},
		{"con", "windows", "%63on"},
		{"Aux.txt/x", "windows", "%41ux.txt/x"},
		{"com1.csv", "windows", "%63om1.csv"},
		{"LPT²", "windows", "%4CPT²"},
		{"com10", "windows", "com10"},
		{"console", "windows", "console"},
		{"a\x01<b>|\"", "windows", "a%01%3Cb%3E%7C%22"},
	}
	for _, c := range cases {
		if got := localName(c.name, c.goos); got != c.want {
			t.Errorf("localName(%q, %s) = %q, want %q", c.name, c.goos, got, c.want)
		}
	}
}

func TestSame(t *testing.T) {
	at := time.Date(2026, 3, 5, 12, 34, 56, 0, time.UTC)
	rec := func(size int64, at time.Time, p time.Duration) record {
		return record{Size: size, Time: at, Precision: period(p)}
	}
	exact := rec(5, at, time.Second)
	fresh := exact
	fresh.Fresh = true
	cases := []struct {
		name     string
		old, now record
		want     bool
	}{
		{"the same", exact, exact, true},
		{"another size", exact, rec(6, at, time.Second), false},
		{"a second later", exact, rec(5, at.Add(time.Second), time.Second), false},
		{"the same minute", exact, rec(5, at.Truncate(time.Minute), time.Minute), true},
		{"old by now: the listing shows the day", exact, rec(5, at.Truncate(24*time.Hour), 24*time.Hour), true},
		{"another day", exact, rec(5, at.Truncate(24*time.Hour).Add(24*time.Hour), 24*time.Hour), false},
		{"read too soon after it was written", fresh, exact, false},
		{"no time", rec(5, time.Time{}, 0), rec(5, time.Time{}, 0), false},
	}
	for _, c := range cases {
		if got := c.old.same(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	minute := rec(5, at.Truncate(time.Minute), time.Minute)
	if !minute.fresh(at) || minute.fresh(at.Add(time.Minute)) {
		t.Error("a file is not told from one that may change within the minute")
	}
}

func TestPlan(t *testing.T) {
	at := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	file := func(n name) record { return record{Name: n, Kind: kindFile, Size: 1, Time: at} }
	dir := func(n name) record { return record{Name: n, Kind: kindDir} }
	names := func(list []record) string {
		var s []string
		for _, r := range list {
			s = append(s, string(r.Name))
		}
		return strings.Join(s, " ")
	}
	cases := []struct {
		name                     string
		old, now                 []record
		unknown                  []string
		lost                     name
		fetch, keep, gone, inWay string
	}{
		{name: "nothing is known", now: []record{dir("d"), file("d/a")}, fetch: "d/a"},
		{name: "nothing has changed", old: []record{dir("d"), file("d/a")}, now: []record{dir("d"), file("d/a")}, keep: "d/a"},
		{name: "lost here", old: []record{file("a")}, now: []record{file("a")}, lost: "a", fetch: "a"},
		{name: "gone", old: []record{dir("d"), file("d/a"), file("b")}, now: []record{file("b")}, keep: "b", gone: "d d/a"},
		{name: "not told", old: []record{dir("d"), file("d/a"), file("e")}, unknown: []string{"d", "e"}, keep: "d d/a e"},
		{name: "a directory in place of a file", old: []record{file("x")}, now: []record{dir("x"), file("x/a")}, fetch: "x/a", gone: "x", inWay: "x"},
		{name: "a file in place of a directory", old: []record{dir("x"), file("x/a")}, now: []record{file("x")}, fetch: "x", gone: "x/a", inWay: "x/a"},
		{name: "similar names are others", old: []record{file("xy/a")}, now: []record{file("x")}, fetch: "x", gone: "xy/a"},
	}
	for _, c := range cases {
		p := makePlan((&manifest{Records: c.old}).byName(), tree{records: c.now, unknown: c.unknown}, func(r record) bool { return r.Name != c.lost })
		got := [...]string{names(p.fetch), names(p.keep), names(p.gone), names(p.inWay)}
		if want := [...]string{c.fetch, c.keep, c.gone, c.inWay}; got != want {
			t.Errorf("%s: fetch, keep, gone, in the way are %q, want %q", c.name, got, want)
		}
	}
}

func TestManifestJSON(t *testing.T) {
	m := &manifest{Source: "ftp://a.example/x", Complete: true, Records: []record{
		{Name: "b\xff", Kind: kindFile, Size: 3, Time: written, Precision: period(time.Minute), SHA256: strings.Repeat("ab", 32)},
		{Name: "a", Kind: kindLink, Target: "../b\xff"},
	}}
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeManifest(data)
	if err != nil || !reflect.DeepEqual(got, m) || got.Records[0].Name != "a" {
		t.Errorf("%v, %+v\n%s", err, got, data)
	}
	for _, hostile := range []string{
		`{"records": [{"name": "../x", "kind": "dir"}]}`,
		`{"records": [{"name": "x", "local": "/etc/passwd", "kind": "dir"}]}`,
		`{"records": [{"name": ".", "kind": "dir"}]}`,
		`{"records": [{"name": {"base64": "YQAvYg=="}, "kind": "dir"}]}`,
		`{"records": [{"name": "x", "kind": "device"}]}`,
		`{"records": [{"name": "x", "kind": "file", "sha256": "12"}]}`,
		`{"records": [`,
	} {
		if _, err := decodeManifest([]byte(hostile)); err == nil {
			t.Errorf("no error for %s", hostile)
		}
	}
}

// TestJournal reads a journal with a line that a crash has cut, and a part that
// is not what the journal says.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	open := func() *vault {
		v, err := openVault(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := open()
	good, bad := identity(record{Name: "good"}), identity(record{Name: "bad"})
	for _, id := range []string{good, bad} {
		p, err := v.openPart(id, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(p, "the first half"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.note(), p.close(true)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.base.WriteFile(v.part(bad), []byte("something else"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := v.journal.WriteString(`{"id":"` + good); err != nil {
		t.Fatal(err)
	}
	v.close()
	v = open()
	defer v.close()
	for id, want := range map[string]int64{good: 14, bad: 0} {
		p, err := v.openPart(id, false)
		if err != nil {
			t.Fatal(err)
		}
		if p.at != want {
			t.Errorf("%s goes on at %d, want %d", id, p.at, want)
		}
		if err := p.close(true); err != nil {
			t.Fatal(err)
		}
	}
	p, err := v.openPart(good, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close(false)
	if p.at != 0 {
		t.Errorf("a part that is not to be trusted goes on at %d", p.at)
	}
}

func TestCommandLine(t *testing.T) {
	cases := []struct {
		args []string
		want string // in what is printed to standard error
	}{
		{[]string{"-bogus"}, "flag provided but not defined: -bogus"},
		{[]string{"ftp://u:s3cret@a.example"}, "want a url and a target"},
		{[]string{"-verify"}, "want a url and a target"},
		{[]string{"-verify", "ftp://u:s3cret@a.example"}, "-verify needs a target"},
		{[]string{"http://u:s3cret@a.example/", "x"}, "the url has to be of the form"},
		{[]string{"ftp://u:s3cret@exa mple.com/", "x"}, "the url cannot be read"},
		{[]string{"-jobs", "0", "ftp://a.example", "x"}, "-jobs"},
		{[]string{"ftp://a.example", ""}, "the target has no name"},
	}
	for _, c := range cases {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, &printer{w: &out}, &errs)
		if code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), c.want) || strings.Contains(errs.String(), "s3cret") {
			t.Errorf("%q: exit code %d, printed %q and %q, want %q", c.args, code, &out, &errs, c.want)
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-help"}, &printer{w: &out}, &errs); code != exitOK || !strings.HasPrefix(errs.String(), "usage: backup") {
		t.Errorf("-help: exit code %d, %q", code, &errs)
	}
	for _, target := range []string{"nowhere", "nowhere.zip", "x.tar.gz"} {
		errs.Reset()
		if code := run(t.Context(), []string{"-verify", filepath.Join(t.TempDir(), target)}, &printer{w: &out}, &errs); code != exitFailed || errs.Len() == 0 {
			t.Errorf("-verify %s: exit code %d, %q", target, code, &errs)
		}
	}
}

// TestURL runs the program with a server on a loopback port.
func TestURL(t *testing.T) {
	tree := ftptest.NewTree()
	if err := put(tree, written, demoFiles()...); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &ftptest.Server{Tree: tree, Users: map[string]string{"u": "s3cret"}}
	srv.Start(ln)
	defer srv.Close()
	dir := t.TempDir()
	site := filepath.Join(dir, "a", "site")
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-v", "ftp://u:s3cret@" + ln.Addr().String() + "/pub", site}, &printer{w: &out}, &errs)
	if code != exitOK || errs.Len() > 0 || !strings.Contains(out.String(), "  7 files read, 1.87 kB in ") || !strings.HasSuffix(out.String(), "  complete\n") {
		t.Errorf("exit code %d, %q\n%s", code, &errs, &out)
	}
	data, err := os.ReadFile(filepath.Join(site, folderState, manifestFile))
	if err != nil || !json.Valid(data) || bytes.Contains(data, []byte("s3cret")) || !bytes.Contains(data, []byte("ftp://u@127.0.0.1")) {
		t.Errorf("%v, the manifest is %s", err, data)
	}
	out.Reset()
	code = run(t.Context(), []string{"-retry", "0", "ftp://u:wr0ng@" + ln.Addr().String() + "/pub", site}, &printer{w: &out}, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "530") || strings.Contains(errs.String(), "wr0ng") {
		t.Errorf("exit code %d, %q", code, &errs)
	}
}

// TestLoop lists a server that shows a link to its own directory as a
// directory.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		if err := s.tree.Symlink(".", "pub/self"); err != nil {
			t.Fatal(err)
		}
		follow := func(w *world) {
			w.server.Personality = ftptest.Plain()
			w.server.Personality.LinkType = ""
		}
		_, err := s.run(t.Context(), follow, demoURL, "site")
		if !errors.Is(err, errIncomplete) || !strings.Contains(s.out.String(), "the directory leads back into itself") {
			t.Errorf("%v\n%s", err, &s.out)
		}
	})
}

// TestPrinter checks what a terminal gets to see.
func TestPrinter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &printer{w: &out, live: true}
		p.planned(plan{fetch: []record{{Name: "a", Size: 2000}}, changed: map[name]bool{}})
		time.Sleep(time.Second)
		p.trace().Progress(ftpnat.ProgressEvent{Name: "a\x1b[2J" + strings.Repeat("long", 50), Bytes: 500, Total: 2000})
		p.trace().Progress(ftpnat.ProgressEvent{Name: "a", Bytes: 600, Total: 2000}) // too soon
		p.list([]problem{{"x\x1b[31m", "550 \x07"}})
		const bar = "\r  [=====               ]  25%  500 B of 2 kB  500 B/s  3s left  a·[2Jlonglon...\x1b[K\r\x1b[K"
		if _, status, _ := strings.Cut(out.String(), "\n"); status != bar+"    x·[31m  550 ·\n" {
			t.Errorf("printed %q", status)
		}
	})
	sizes := map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 999_499: "999 kB", 999_500: "1 MB", 5 << 30: "5.37 GB"}
	for n, want := range sizes {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

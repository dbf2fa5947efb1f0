package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/ftptest"
)

func TestLs(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ls", srv.URL}, "pub/\n"},
		{[]string{"ls", srv.URL + "pub"}, "a.csv\nsub/\n"},
		{[]string{"ls", srv.Addr + "/pub/"}, "a.csv\nsub/\n"},
		{[]string{"ls", srv.URL + "pub/a.csv"}, "a.csv\n"},
		{[]string{"ls", "-R", srv.URL + "pub"}, "a.csv\nsub/\nsub/b.txt\nsub/c d.txt\n"},
		{[]string{"ls", "-l", srv.URL + "pub/a.csv"}, "-rw-r--r--            6  2026-03-04 05:06  a.csv\n"},
		{[]string{"ls", srv.URL + "pub/sub/c%20d.txt"}, "c d.txt\n"},
		{[]string{"ls", srv.Addr + "/pub/sub/c d.txt"}, "c d.txt\n"},
		{[]string{"ls", srv.URL + "pub/a.csv", srv.URL + "pub/sub"}, srv.URL + "pub/a.csv:\na.csv\n\n" + srv.URL + "pub/sub:\nb.txt\nc d.txt\n"},
	} {
		if got := w.ok(c.args...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.args, got, c.want)
		}
	}
}

func TestLsJSON(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	lines := strings.Split(strings.TrimSpace(w.ok("ls", "-R", "--json", srv.URL)), "\n")
	if len(lines) != 5 {
		t.Fatalf("got %d lines", len(lines))
	}
	var it item
	if err := json.Unmarshal([]byte(lines[4]), &it); err != nil {
		t.Fatal(err)
	}
	if it.Path != "pub/sub/c d.txt" || it.Type != "file" || it.Size != 3 || it.ModTime == nil || !it.ModTime.Equal(day) || it.URL != srv.URL+"pub/sub/c%20d.txt" {
		t.Errorf("got %+v", it)
	}
}

// What a terminal would obey does not reach it.
func TestLsOddNames(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, nil)
	if err := srv.WriteFile("a\x1b[2Jb", nil, day); err != nil {
		t.Fatal(err)
	}
	a := &app{system: &system{outTerm: true}}
	if got := a.name("a\x1b[2Jb"); got != "a?[2Jb" {
		t.Errorf("a terminal gets %q", got)
	}
	if got := w.ok("ls", srv.URL); got != "a\x1b[2Jb\n" {
		t.Errorf("a program gets %q", got)
	}
}

func TestStat(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	got := w.ok("stat", srv.URL+"pub/a.csv", srv.URL+"pub")
	for _, want := range []string{"url      " + srv.URL + "pub/a.csv\n", "type     file\n", "size     6 (6 B)\n", "changed  2026-03-04T05:06:07Z\n", "dir\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := w.ok("stat", "--json", srv.URL+"pub/a.csv"); !strings.Contains(got, `"mod_time":"2026-03-04T05:06:07Z"`) {
		t.Errorf("got %s", got)
	}
	w.fails(codeNotFound, "not found", "stat", srv.URL+"nope")
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	if err := srv.WriteFile("pub/new.csv", []byte("0123456789"), w.now()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
	}{
		{"--name *.csv", "pub/a.csv pub/new.csv"},
		{"--name sub/*.txt", ""},
		{"--name pub/**/*.txt", "pub/sub/b.txt pub/sub/c d.txt"},
		{"--type dir", "pub pub/sub"},
		{"--type file --older 24h --name *.csv", "pub/a.csv"},
		{"--newer 24h --type file", "pub/new.csv"},
		{"--larger 6", "pub/new.csv"},
		{"--smaller 6", "pub/sub/b.txt pub/sub/c d.txt"},
		{"--name b.txt --url", srv.URL + "pub/sub/b.txt"},
	} {
		got := w.ok(append([]string{"find", srv.URL}, strings.Fields(c.args)...)...)
		if want := strings.ReplaceAll(strings.ReplaceAll(c.want, "c d", "c\x01d"), " ", "\n"); strings.TrimSpace(got) != strings.ReplaceAll(want, "\x01", " ") {
			t.Errorf("%s: got %q, want %q", c.args, got, c.want)
		}
	}
	if got := w.ok("find", "-0", "--name", "b.txt", srv.URL+"pub"); got != "sub/b.txt\x00" {
		t.Errorf("got %q", got)
	}
	w.fails(codeUsage, "want file, dir or link", "find", "--type", "x", srv.URL)
	w.fails(codeUsage, "pattern", "find", "--name", "[", srv.URL)
}

func TestCat(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	if got := w.ok("cat", srv.URL+"pub/a.csv", srv.URL+"pub/sub/b.txt"); got != "1,2,3\nbee" {
		t.Errorf("got %q", got)
	}
	if got := w.ok("get", srv.URL+"pub/a.csv", "-"); got != "1,2,3\n" {
		t.Errorf("got %q", got)
	}
	w.fails(codeUsage, "is a directory", "cat", srv.URL+"pub")
	w.fails(codeNotFound, "not found", "cat", srv.URL+"pub/nope")
}

func TestChange(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	w.ok("mkdir", "-p", srv.URL+"x/y/z")
	w.ok("mkdir", srv.URL+"x/w")
	w.fails(codeExists, "", "mkdir", srv.URL+"x/w")
	w.ok("mv", srv.URL+"pub/a.csv", "b.csv")
	w.ok("mv", srv.URL+"pub/b.csv", "/x/y/")
	w.ok("mv", srv.URL+"x/y/b.csv", srv.URL+"x/c.csv")
	w.ok("mv", srv.Addr+"/x/c.csv", srv.Addr+"/x/w")
	w.ok("mv", srv.URL+"x/w/c.csv", "../d.csv")
	has(t, srv.FS(), "x", map[string]string{"d.csv": "1,2,3\n"})
	w.fails(codeUsage, "one server", "mv", srv.URL+"x/d.csv", "ftp://other.example/x")
	w.fails(codeUsage, "add -r", "rm", srv.URL+"x")
	w.fails(codeUsage, "below it", "rm", "-r", srv.URL)
	w.ok("rm", srv.URL+"x/d.csv")
	w.ok("rm", "-r", srv.URL+"x", srv.URL+"pub")
	has(t, srv.FS(), ".", nil)
	w.fails(codeNotFound, "not found", "rm", srv.URL+"x")
	w.ok("rm", "-f", srv.URL+"x")
}

func TestVersionAndCompletion(t *testing.T) {
	w := newWorld(t)
	if got := w.ok("version"); !strings.HasPrefix(got, "ftpnat ") {
		t.Errorf("got %q", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := w.ok("completion", shell); len(got) < 1000 {
			t.Errorf("%s: got %q", shell, got)
		}
	}
}

// Each command has a help that speaks of the command line and not of Go.
func TestHelp(t *testing.T) {
	w := newWorld(t)
	a := &app{system: &system{}}
	for _, c := range a.newRoot().Commands() {
		if c.Name() == "exit-codes" {
			continue
		}
		got := w.ok(c.Name(), "--help")
		if !strings.Contains(got, "Usage:\n  ftpnat "+c.Name()) || strings.Contains(got, "Dialer") {
			t.Errorf("%s: %s", c.Name(), got)
		}
		if c.Name() != "version" && !strings.Contains(got, "Examples:") {
			t.Errorf("%s has no example", c.Name())
		}
	}
	if got := w.ok("help", "exit-codes"); !strings.Contains(got, "67  the server did not accept") {
		t.Errorf("got %s", got)
	}
}

// A directory that may not be listed is no reason to leave out the rest.
func TestFindSome(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Reply("MLSD", "550 Permission denied.").On(3), ftptest.Refuse("STAT"))
	r := w.run("find", srv.URL)
	if r.code == 0 || !strings.Contains(r.out, "pub") {
		t.Errorf("got %+v", r)
	}
}

// One name that fails is no reason to leave out the others.
func TestEach(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	r := w.fails(codeNotFound, "pub/nope: not found", "ls", srv.URL+"pub/sub", srv.URL+"pub/nope", srv.URL+"pub/a.csv")
	if want := srv.URL + "pub/sub:\nb.txt\nc d.txt\n\n" + srv.URL + "pub/nope:\n\n" + srv.URL + "pub/a.csv:\na.csv\n"; r.out != want {
		t.Errorf("got %q", r.out)
	}
	w.fails(codeUsage, "add -r", "rm", srv.URL+"pub/sub", srv.URL+"pub/a.csv")
	has(t, srv.FS(), ".", map[string]string{"pub/sub/b.txt": "bee", "pub/sub/c d.txt": "sea"})
	w.fails(codeExists, "exists", "mkdir", srv.URL+"pub", srv.URL+"new")
	w.ok("stat", srv.URL+"new", srv.URL+"pub")
}

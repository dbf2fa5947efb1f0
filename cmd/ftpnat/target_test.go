package main

import (
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, c := range []struct {
		arg, base, name, user, password, shown string
		dir                                    bool
	}{
		{"host", "ftp://host/", ".", "", "", "ftp://host/", true},
		{"host/a/b", "ftp://host/", "a/b", "", "", "ftp://host/a/b", false},
		{"host:2121/a/", "ftp://host:2121/", "a", "", "", "ftp://host:2121/a", true},
		{"joe:x:y@host//etc", "ftp://host/%2F", "etc", "joe", "x:y", "ftp://joe@host/%2Fetc", false},
		{"host/100%#?", "ftp://host/", "100%#?", "", "", "ftp://host/100%25%23%3F", false},
		{"[::1]:21/x", "ftp://[::1]:21/", "x", "", "", "ftp://[::1]:21/x", false},
		{"ftpes://joe:p%40ss@host/a%20b", "ftpes://host/", "a b", "joe", "p@ss", "ftpes://joe@host/a%20b", false},
		{"FTP://host/%2Fetc/x", "ftp://host/%2F", "etc/x", "", "", "ftp://host/%2Fetc/x", false},
		{"ftps://host//etc", "ftps://host/%2F", "etc", "", "", "ftps://host/%2Fetc", false},
		{"ftp://host/../../a/./b", "ftp://host/", "a/b", "", "", "ftp://host/a/b", false},
	} {
		got, err := parseTarget(c.arg)
		if err != nil || got.base() != c.base || got.name != c.name || got.user != c.user || got.password != c.password || got.String() != c.shown || got.dir != c.dir {
			t.Errorf("%s: got %+v, %s, %v", c.arg, got, got, err)
		}
	}
	for _, arg := range []string{"", "/x", "./x", "a b/c", "sftp://host/x", "ftp:///x", "ftp://joe:" + secret + "/x@host/", "ftp://host/a#b", "ftp://host/%zz", "joe:" + secret + "@/x"} {
		if got, err := parseTarget(arg); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: got %+v, %v", arg, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, arg := range []string{"host/x", "ftp://u:p@host:1/%2Fx", "[::1]/a", "a@b@c//d"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		got, err := parseTarget(arg)
		if err != nil {
			return
		}
		// What is shown can be typed, and names the same file.
		again, err := parseTarget(got.String())
		if err != nil || again.name != got.name || again.addr() != got.addr() || again.user != got.user || again.absolute != got.absolute {
			t.Errorf("%q: %+v is shown as %s, which is %+v, %v", arg, got, got, again, err)
		}
	})
}

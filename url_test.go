package ftpnat_test

import (
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
)

func TestParseURL(t *testing.T) {
	cases := []struct {
		url  string
		d    ftpnat.Dialer
		want ftpnat.Parsed
		err  string
	}{
		{url: "ftp://h", want: ftpnat.Parsed{"h:21", "anonymous", "anonymous@", "", false, false}},
		{url: "FTP://h:2121/a/b", want: ftpnat.Parsed{"h:2121", "anonymous", "anonymous@", "a/b", false, false}},
		{url: "ftp://joe:s%40x@h/%2Fetc", want: ftpnat.Parsed{"h:21", "joe", "s@x", "/etc", false, false}},
		{url: "ftp://joe@h//etc", want: ftpnat.Parsed{"h:21", "joe", "", "/etc", false, false}},
		{url: "ftp://joe@h", d: ftpnat.Dialer{Password: "pw"}, want: ftpnat.Parsed{"h:21", "joe", "pw", "", false, false}},
		{url: "ftp://joe@h", d: ftpnat.Dialer{User: "ann", Password: "pw"}, want: ftpnat.Parsed{"h:21", "joe", "", "", false, false}},
		{url: "ftp://h/", d: ftpnat.Dialer{User: "ann", Password: "pw"}, want: ftpnat.Parsed{"h:21", "ann", "pw", "", false, false}},
		{url: "ftp://h/dir%20x;type=i", want: ftpnat.Parsed{"h:21", "anonymous", "anonymous@", "dir x", false, false}},
		{url: "ftp://[2001:db8::1]/", want: ftpnat.Parsed{"[2001:db8::1]:21", "anonymous", "anonymous@", "", false, false}},
		{url: "ftpes://h", want: ftpnat.Parsed{"h:21", "anonymous", "anonymous@", "", true, false}},
		{url: "ftps://h", want: ftpnat.Parsed{"h:990", "anonymous", "anonymous@", "", true, true}},
		{url: "ftps://h:991", want: ftpnat.Parsed{"h:991", "anonymous", "anonymous@", "", true, true}},
		{url: "ftp://h", d: ftpnat.Dialer{ImplicitTLS: true}, want: ftpnat.Parsed{"h:990", "anonymous", "anonymous@", "", true, true}},
		{url: "sftp://h", err: `scheme "sftp"`},
		{url: "h/dir", err: "scheme"},
		{url: "ftp:///dir", err: "no host"},
		{url: "ftp://joe:secret@h:x/", err: "cannot be read"},
		{url: "ftp://joe:secret@[h/", err: "cannot be read"},
		{url: "ftp://joe:secret/2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret#2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret?2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret", err: "cannot be read: invalid port"},
		{url: "ftp://joe:x%secret@h/", err: "cannot be read"},
		{url: "ftp://joe:<secret>@h/", err: "cannot be read"},
		{url: "joe:secret@h/dir", err: `scheme "joe"`},
		{url: "ftp:joe:secret@h/dir", err: "no host"},
	}
	for _, c := range cases {
		got, err := c.d.Parse(c.url)
		if err != nil || c.err != "" {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: err = %v, want %q", c.url, err, c.err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "%se")) {
				t.Errorf("%s: the error has the password: %v", c.url, err)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.url, got, c.want)
		}
	}
}

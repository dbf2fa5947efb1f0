package ftpnat

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	type result struct {
		addr, user, password, dir string
		tls, implicit             bool
	}
	cases := []struct {
		url  string
		d    Dialer
		want result
		err  string
	}{
		{url: "ftp://h", want: result{"h:21", "anonymous", "anonymous@", "", false, false}},
		{url: "FTP://h:2121/a/b", want: result{"h:2121", "anonymous", "anonymous@", "a/b", false, false}},
		{url: "ftp://joe:s%40x@h/%2Fetc", want: result{"h:21", "joe", "s@x", "/etc", false, false}},
		{url: "ftp://joe@h//etc", want: result{"h:21", "joe", "", "/etc", false, false}},
		{url: "ftp://joe@h", d: Dialer{Password: "pw"}, want: result{"h:21", "joe", "pw", "", false, false}},
		{url: "ftp://joe@h", d: Dialer{User: "ann", Password: "pw"}, want: result{"h:21", "joe", "", "", false, false}},
		{url: "ftp://h/", d: Dialer{User: "ann", Password: "pw"}, want: result{"h:21", "ann", "pw", "", false, false}},
		{url: "ftp://h/dir%20x;type=i", want: result{"h:21", "anonymous", "anonymous@", "dir x", false, false}},
		{url: "ftp://[2001:db8::1]/", want: result{"[2001:db8::1]:21", "anonymous", "anonymous@", "", false, false}},
		{url: "ftpes://h", want: result{"h:21", "anonymous", "anonymous@", "", true, false}},
		{url: "ftps://h", want: result{"h:990", "anonymous", "anonymous@", "", true, true}},
		{url: "ftps://h:991", want: result{"h:991", "anonymous", "anonymous@", "", true, true}},
		{url: "ftp://h", d: Dialer{ImplicitTLS: true}, want: result{"h:990", "anonymous", "anonymous@", "", true, true}},
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
		cfg, dir, err := c.d.parseURL(c.url)
		if err != nil || c.err != "" {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: err = %v, want %q", c.url, err, c.err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "%se")) {
				t.Errorf("%s: the error has the password: %v", c.url, err)
			}
			continue
		}
		got := result{cfg.session.Server, cfg.session.User, cfg.session.Password, dir, cfg.session.TLS.Config != nil, cfg.session.TLS.Implicit}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.url, got, c.want)
		}
	}
}

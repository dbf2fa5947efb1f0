package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// What goes wrong with a real server has the code of the table, a line that says
// what, and advice in the command's words.
func TestExitCodes(t *testing.T) {
	w := newWorld(t)
	plain := serve(t, files())
	closed := closedPort(t)
	w.env["FTPNAT_PASSWORD"] = secret
	w.write("x", "x")
	for name, c := range map[string]struct {
		code code
		text string // on the first line
		todo string // after it
		args []string
	}{
		"no command":     {codeUsage, `unknown command "frob"`, "ftpnat --help", []string{"frob"}},
		"no help":        {codeUsage, "no help for", "ftpnat --help", []string{"help", "frob"}},
		"suggestion":     {codeUsage, "is it mirror that was meant?", "ftpnat --help", []string{"miror"}},
		"no argument":    {codeUsage, "ls needs a URL", "ftpnat ls --help", []string{"ls"}},
		"no such flag":   {codeUsage, "unknown flag: --frob", "ftpnat ls --help", []string{"ls", "--frob", "x"}},
		"two URLs":       {codeUsage, "both arguments are URLs", "ftpnat mirror --help", []string{"mirror", plain.URL, plain.URL}},
		"no URL":         {codeUsage, "which of the two", "ftpnat mirror --help", []string{"mirror", "a", "b"}},
		"modes":          {codeUsage, "none of EPSV", "--help", []string{"ls", "--modes", "PASIV", plain.URL}},
		"ports":          {codeUsage, "--listen-ports", "--help", []string{"ls", "--listen-ports", "9-1", plain.URL}},
		"public address": {codeUsage, "--public-addr", "--help", []string{"ls", "--public-addr", "me", plain.URL}},
		"trust":          {codeUsage, "--trust-data-addr", "--help", []string{"ls", "--trust-data-addr", "all", plain.URL}},
		"proxy":          {codeUsage, "--proxy", "--help", []string{"ls", "--proxy", "ftp://x", plain.URL}},
		"insecure":       {codeUsage, "--insecure", "--help", []string{"ls", "--insecure", plain.URL}},
		"parallel":       {codeUsage, "--parallel 0", "--help", []string{"get", "-P", "0", plain.URL}},
		"scheme":         {codeURL, `"http" is not known`, "", []string{"ls", "http://example.com"}},
		"bad URL":        {codeURL, "cannot be read", "", []string{"ls", "ftp://joe:pass/word@host"}},
		"question mark":  {codeURL, "%3F", "", []string{"ls", "ftp://host/a?b"}},
		"no host":        {codeURL, "name of a server", "", []string{"ls", "/etc/passwd"}},
		"unknown host":   {codeHost, "no such host", "spelling", []string{"ls", "nothing.invalid"}},
		"refused":        {codeConnect, "cannot connect", "Check that an FTP server runs at " + closed, []string{"ls", closed}},
		"refused, probe": {codeConnect, "cannot connect", "Check that", []string{"probe", closed}},
		"login":          {codeLogin, "login refused", "came from FTPNAT_PASSWORD", []string{"ls", "-u", "jim", guarded(t, (*ftptest.Server).Start).URL}},
		"login 430":      {codeLogin, "login refused", "came from FTPNAT_PASSWORD", []string{"ls", serve(t, nil, ftptest.Reply("PASS", "430 Invalid username or password")).URL + "x", "-u", "joe"}},
		"login 421, TLS": {codeLogin, "login refused", "clear text: write ftpes://joe@", []string{"ls", "joe@" + serve(t, nil, ftptest.Reply("USER", "421 Sorry, cleartext sessions are not accepted on this server.")).Addr}},
		"login, busy":    {codeConnect, "cannot connect", "try again later", []string{"ls", "joe@" + serve(t, nil, ftptest.Reply("PASS", "421 Too many connections.")).Addr}},
		"login, TLS":     {codeLogin, "login refused", "clear text: write ftpes://joe@", []string{"ls", "joe@" + guarded(t, (*ftptest.Server).StartTLS).Addr}},
		"anonymous":      {codeLogin, "login refused", "--user", []string{"ls", guarded(t, (*ftptest.Server).Start).URL}},
		"not found":      {codeNotFound, "not found", "ftpnat ls " + plain.URL + "pub", []string{"cat", plain.URL + "pub/nope"}},
		"pattern":        {codeNotFound, "not found", "Patterns are for", []string{"get", plain.URL + "pub/*.csv"}},
		"same names":     {codeUsage, "would both become x", "put --help", []string{"put", "x", "y/x", plain.URL}},
		"too long":       {codeTimeout, "--max-time", "goes on", []string{"get", "--max-time", "500ms", serve(t, files(), ftptest.StallData(2)).URL + "pub/a.csv"}},
		"not found, mv":  {codeNotFound, "not found", "ftpnat ls " + plain.URL + "pub shows", []string{"mv", plain.URL + "pub/nope", "x"}},
		"access":         {codeAccess, "not permitted", "--user", []string{"rm", serve(t, files(), ftptest.Reply("DELE", "550 Permission denied.")).URL + "pub/a.csv"}},
		"full":           {codeFull, "disk full", "Make room", []string{"put", "x", serve(t, nil, ftptest.Fail("STOR", "452 No space.")).URL}},
		"silence":        {codeTimeout, "timed out", "--max-time", []string{"ls", "--max-time", "300ms", serve(t, files(), ftptest.Swallow("MLSD"), ftptest.Swallow("LIST")).URL}},
		"no TLS":         {codeNoTLS, "no TLS", "ftps://", []string{"ls", "--tls", plain.URL}},
		"certificate":    {codeCertificate, "not trusted", "--ca-file", []string{"ls", guarded(t, (*ftptest.Server).StartTLS).URL}},
		"no data":        {codeData, "no data connection", "ftpnat probe", []string{"ls", "--modes", "epsv,pasv", serve(t, files(), ftptest.Refuse("EPSV"), ftptest.Refuse("PASV")).URL}},
		"local file":     {codeLocalRead, "cannot read", "", []string{"put", "nothing", plain.URL}},
		"local target":   {codeLocalWrite, "cannot write", "", []string{"get", plain.URL + "pub/a.csv", "no/dir"}},
		"password file":  {codeLocalRead, "cannot read", "", []string{"ls", "-u", "joe", "--password-file", "nothing", plain.URL}},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.run(append(c.args, "--retry-for", "0")...)
			first, rest, _ := strings.Cut(r.err, "\n")
			rest = strings.Join(strings.Fields(rest), " ")
			if r.code != int(c.code) || !strings.HasPrefix(first, "ftpnat: ") || !strings.Contains(first, c.text) || !strings.Contains(rest, c.todo) {
				t.Errorf("got %d, want %d, %q and then %q\n%s", r.code, c.code, c.text, c.todo, r.err)
			}
			if strings.Contains(r.err, "Dialer") || strings.Contains(r.err, "dial tcp") || strings.Contains(r.err, "lookup ") || strings.Contains(r.err, secret) || strings.Contains(r.err, "pass/word") {
				t.Errorf("this is not for a person: %s", r.err)
			}
		})
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestCodeOf(t *testing.T) {
	reply := func(command string, code int) error {
		return &fs.PathError{Op: "x", Path: "y", Err: &ftpnat.ReplyError{Command: command, Reply: ftpnat.Reply{Code: code, Lines: []string{"x"}}}}
	}
	timeout := &ftpnat.NegotiateError{Attempts: []ftpnat.Attempt{{Cause: ftpnat.DialTimeout}}}
	for _, c := range []struct {
		err  error
		want code
	}{
		{errors.New("x"), codeOther},
		{usagef("x"), codeUsage},
		{fmt.Errorf("x: %w", context.Canceled), codeInterrupted},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), codeTimeout},
		{fmt.Errorf("x: %w", ftpnat.ErrStalled), codeTimeout},
		{timeout, codeTimeout},
		{&ftpnat.NegotiateError{}, codeData},
		{ftpnat.ErrShort, codePartial},
		{ftpnat.ErrNoVerdict, codePartial},
		{ftpnat.ErrTruncated, codePartial},
		{&ftpnat.ListingError{Dir: "."}, codePartial},
		{fmt.Errorf("LIST: %w within 1m", ftpnat.ErrNoReply), codeTimeout},
		{reply("PASS ****", 530), codeLogin},
		{reply("USER joe", 530), codeLogin},
		{reply("AUTH TLS", 504), codeNoTLS},
		{reply("STOR x", 452), codeFull},
		{reply("STOR x", 553), codeRefused},
		{reply("RETR x", 426), codePartial},
		{reply("USER x", 421), codeConnect},
		{&net.OpError{Err: syscall.ECONNREFUSED}, codeConnect},
		{&net.DNSError{IsNotFound: true}, codeHost},
		{&net.DNSError{IsTimeout: true}, codeTimeout},
		{tls.AlertError(40), codeTLS},
		{localWrite(fs.ErrPermission), codeLocalWrite},
		{localRead(fs.ErrNotExist), codeLocalRead},
		{fs.ErrExist, codeExists},
		{fs.ErrPermission, codeAccess},
		{fs.ErrNotExist, codeNotFound},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}

// The library's advice comes in the words of the command line, all of it.
func TestAdviceInFlags(t *testing.T) {
	var list []string
	for c := range ftpnat.Cause(64) {
		list = append(list, c.Advice())
		for _, m := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT, ftpnat.EPRT} {
			at := ftpnat.Attempt{Mode: m, Cause: c, Err: errors.New("x"), Elapsed: 3 * time.Second}
			list = append(list, (&ftpnat.NegotiateError{Attempts: []ftpnat.Attempt{at}}).Advice()...)
			for _, works := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.EPRT} {
				r := &ftpnat.Report{Mode: works, Works: []ftpnat.Mode{works}, Helper: ftpnat.Yes,
					Attempts: []ftpnat.Attempt{at, {Mode: works}}}
				list = append(list, r.Advice()...)
			}
		}
	}
	for _, text := range inFlags(list) {
		for _, word := range []string{"Dialer", "{", "set --map", "nil"} {
			if strings.Contains(text, word) {
				t.Errorf("%q in %s", word, text)
			}
		}
	}
}

func TestSilentAdvice(t *testing.T) {
	for _, c := range []struct {
		arg    string
		silent bool
		want   string
	}{
		{"ftp://joe@host:990/x", false, "use ftps://joe@host:990/x"},
		{"host:990", true, "Port 990 speaks TLS from the first byte"},
		{"host", true, "use ftps://host/"},
		{"host", false, ""},
		{"ftps://host", true, "try ftpes://"},
	} {
		target, err := parseTarget(c.arg)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(silentAdvice(target, c.silent), " ")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q", c.arg, got)
		}
	}
}

// A server that waits for TLS says nothing to a client that does not begin it.
func TestImplicitMissed(t *testing.T) {
	w := newWorld(t)
	srv := guarded(t, func(s *ftptest.Server) {
		s.ImplicitTLS = true
		s.StartTLS()
	})
	r := w.run("ls", "--max-time", "500ms", srv.Addr)
	if r.code == 0 || !strings.Contains(strings.Join(strings.Fields(r.err), " "), "use ftps://"+srv.Addr) {
		t.Errorf("got %+v", r)
	}
}

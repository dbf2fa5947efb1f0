package proto_test

import (
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestSays has what servers were seen to say, and what it means.
func TestSays(t *testing.T) {
	reply := func(code int, text string) proto.Reply { return proto.Reply{Code: code, Lines: []string{text}} }
	type says struct {
		unsupported, missing, denied, lasting, tooMany, noRestart, file, tls, truncated, empty, reuse, badIP bool
	}
	for _, c := range []struct {
		server string
		reply  proto.Reply
		want   says
	}{
		{"vsftpd 3.0.3", reply(550, "Failed to open file."), says{file: true}},
		{"vsftpd 3.0.3", reply(550, "Permission denied."), says{denied: true, file: true}},
		{"vsftpd 3.0.3", reply(425, "Security: Bad IP connecting."), says{tls: true, badIP: true}},
		{"vsftpd 3.0.3", reply(522, "SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page"), says{tls: true, reuse: true}},
		{"vsftpd 3.0.3", reply(421, "There are too many connections from your internet address."), says{tooMany: true}},
		{"ProFTPD 1.3.8", reply(501, "'MLST' not understood"), says{unsupported: true}},
		{"ProFTPD 1.3.8", reply(500, "OPTS not understood"), says{unsupported: true}},
		{"ProFTPD 1.3.8", reply(550, "a: No such file or directory"), says{missing: true, file: true}},
		{"ProFTPD 1.3.8", reply(451, "Restart not permitted, try again"), says{denied: true, lasting: true, noRestart: true, file: true}},
		{"ProFTPD 1.3.8", reply(530, "Sorry, the maximum number of clients (1) from your host are already connected."), says{tooMany: true}},
		{"Pure-FTPd 1.0.50", reply(226, "Output truncated to 10000 matches"), says{truncated: true}},
		{"Pure-FTPd 1.0.50", reply(550, "Can't open a: No such file or directory"), says{missing: true, file: true}},
		{"pyftpdlib 1.5.7", reply(530, "Authentication failed."), says{}},
		{"pyftpdlib 1.5.7", reply(550, "Not enough privileges."), says{file: true}},
		{"z/OS", reply(550, "No members found."), says{file: true, empty: true}},
		{"IIS", reply(550, "The system cannot find the file specified."), says{missing: true, file: true}},
		{"aioftp", reply(451, "No such file"), says{missing: true, lasting: true, file: true}},
		{"FileZilla Server", reply(202, "UTF8 mode is always enabled."), says{unsupported: true}},
		{"busybox", reply(500, "Unknown command"), says{unsupported: true}},
	} {
		r := c.reply
		got := says{
			r.Unsupported(), r.Missing(), r.Denied(), r.Lasting(), r.TooMany(), r.NoRestart(),
			r.RefusesFile(), r.AboutTLS(), r.Truncated(), r.EmptyDir(), r.WantsReuse(), r.BadIP(),
		}
		if got != c.want {
			t.Errorf("%s: %v: %+v, want %+v", c.server, r, got, c.want)
		}
	}
}

func TestNoData(t *testing.T) {
	for _, c := range []struct {
		line, text string
		want       bool
	}{
		{"RETR a", "Use PASV or PORT first.", true},
		{"RETR use pasv or port.txt", "use pasv or port.txt: No such file", false},
		{"LIST", "No data connection", true},
		{"RETR a", "a: No such file", false},
	} {
		if got := (proto.Reply{Code: 550, Lines: []string{c.text}}).NoData(c.line); got != c.want {
			t.Errorf("%q to %q: %v, want %v", c.text, c.line, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		reply proto.Reply
		size  int64
	}{
		{proto.Reply{Code: 213, Lines: []string{" 12 "}}, 12},
		{proto.Reply{Code: 213, Lines: []string{"-1"}}, -1},
		{proto.Reply{Code: 213, Lines: []string{"99999999999999999999"}}, -1},
		{proto.Reply{Code: 550, Lines: []string{"12"}}, -1},
	} {
		if got := c.reply.Size(); got != c.size {
			t.Errorf("%v: size %d, want %d", c.reply, got, c.size)
		}
	}
	for _, c := range []struct {
		text string
		size int64
		told bool
	}{
		{"Opening BINARY mode data connection for a (1234 bytes).", 1234, true},
		{"Opening connection for (5 bytes) (7 bytes)", 5, true},
		{"Opening connection for a (99999999999999999999 bytes)", 0, false},
		{"Here comes the directory listing.", 0, false},
		{"Opening BINARY mode data connection for a (b) (0 bytes).", 0, true},
		{"Opening data connection for f(17 bytes)", 17, true},
		{"for x bytes) (5 bytes)", 5, true},
		{"(12 34 bytes)", 0, false},
		{"(-5 bytes)", 0, false},
		{"(+5 bytes)", 0, false},
		{"( bytes)", 0, false},
		{"7 bytes)", 0, false},
		{"(1234567890123456789 bytes)", 0, false},
		{"(999999999999999999 bytes)", 999999999999999999, true},
		{"1234.5 kbytes to download", 0, false},
		{"", 0, false},
	} {
		if size, told := (proto.Reply{Code: 150, Lines: []string{c.text}}).Announced(); size != c.size || told != c.told {
			t.Errorf("%q: %d, %v", c.text, size, told)
		}
	}
}

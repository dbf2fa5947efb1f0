package remote

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
)

// TestParseList reads listings to their end, whatever is in them.
func TestParseList(t *testing.T) {
	const file = "-rw-r--r--   1 ftp ftp 5 Jan 02 2020 a\r\n"
	broken := errors.New("broken")
	for _, c := range []struct {
		name    string
		in      io.Reader
		entries int
		unread  bool
		err     error
	}{
		{"empty", strings.NewReader(""), 0, false, nil},
		{"one", strings.NewReader(file), 1, false, nil},
		{"one not understood", strings.NewReader(file + "What?\r\n" + file), 2, true, nil},
		{"overlong", strings.NewReader(file + strings.Repeat("x", listing.MaxLine+1) + "\r\n" + file), 2, true, nil},
		{"broken", io.MultiReader(strings.NewReader(file), iotest.ErrReader(broken)), 0, false, broken},
		{"huge", io.LimitReader(endless{}, maxListing+1), 0, false, errHugeList},
	} {
		entries, unread, _, err := parseList(c.in, listing.Options{}, nil, false)
		if len(entries) != c.entries || (unread != nil) != c.unread || !errors.Is(err, c.err) {
			t.Errorf("%s: %d entries, unread %v, %v", c.name, len(entries), unread, err)
		}
		if n, _ := io.Copy(io.Discard, c.in); n > 0 && c.err == nil {
			t.Errorf("%s: %d bytes were left", c.name, n)
		}
	}
}

// endless is a listing of blank lines.
type endless struct{}

// Read reads.
func (endless) Read(p []byte) (int, error) {
	n := copy(p, blanks[:])
	p[n-1] = '\n'
	return n, nil
}

var blanks = [4096]byte([]byte(strings.Repeat(" ", 4096)))

// TestParseLines parses what comes on the control connection.
func TestParseLines(t *testing.T) {
	dir, file := "drwxr-xr-x   2 ftp ftp 4096 Jan 02 2020 ", "-rw-r--r--   1 ftp ftp 5 Jan 02 2020 "
	for _, c := range []struct {
		name    string
		lines   []string
		entries int
		dot, ok bool
	}{
		{"vsftpd", []string{dir + ".", dir + "..", file + "a"}, 1, true, true},
		{"ProFTPD, which indents", []string{" " + dir + ".", " " + file + "a"}, 1, true, true},
		{"empty", []string{dir + "."}, 0, true, true},
		{"nothing", nil, 0, false, true},
		{"a line not understood", []string{dir + ".", "What?"}, 0, false, false},
		{"a byte of Telnet", []string{dir + ".", file + "\xff"}, 0, false, false},
	} {
		entries, dot, ok := ParseLines(c.lines, time.UTC)
		if len(entries) != c.entries || dot != c.dot || ok != c.ok {
			t.Errorf("%s: %v, dot %v, ok %v", c.name, entries, dot, ok)
		}
	}
}

// latin is ISO 8859-1, without 0xFE.
type latin struct{ ftpworld.Latin1 }

// Decode translates from the wire.
func (l latin) Decode(wire string) (string, error) {
	if strings.Contains(wire, "\xfe") {
		return "", errors.New("there is no such letter")
	}
	return l.Latin1.Decode(wire)
}

// TestParseCharset reads listings in a charset, and in UTF-8 where that is expected.
func TestParseCharset(t *testing.T) {
	line := func(owner, name string) string {
		return "-rw-r--r--   1 " + owner + " ftp 5 Jan 02 2020 " + name + "\r\n"
	}
	const other = "it is not in the server's charset"
	for _, c := range []struct {
		what, in string
		trust    bool
		names    string
		unread   string // why
		err      error
	}{
		{"in the charset", line("ftp", "\xe4"), false, "ä", "", nil},
		{"in UTF-8", line("ftp", "ä"), true, "ä", "", nil},
		{"in the charset after all", line("ftp", "\xe4"), true, "", "", errNotUTF8},
		{"in both", line("ftp", "ä") + line("ftp", "\xe4"), true, "ä \xe4", "", nil},
		{"in neither", line("ftp", "\xff\xfe"), true, "\xff\xfe", "", nil},
		{"ASCII", line("ftp", "a"), true, "a", "", nil},
		{"an owner in another", line("\xfe", "\xe4") + line("\xfe", "b"), false, "ä b", "", nil},
		{"a name in another", line("ftp", "a") + line("ftp", "\xfe") + line("ftp", "\xfe\xfe"), false, "a", other, nil},
	} {
		entries, unread, _, err := parseList(strings.NewReader(c.in), listing.Options{}, latin{}, c.trust)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != c.names || !errors.Is(err, c.err) || (unread != nil) != (c.unread != "") {
			t.Errorf("%s: %q, %v, unread %v", c.what, got, err, unread)
		}
		if unread != nil && !strings.Contains(unread.Error(), c.unread) {
			t.Errorf("%s: %v", c.what, unread)
		}
	}
}

// TestDecode translates the names of an entry, or says why not.
func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, target, want, wantTarget, why string }{
		{"\xe4", "\xf6", "ä", "ö", ""}, {"a", "", "a", "", ""},
		{"\xfe", "", "\xfe", "", "charset"}, {"a", "\xfe", "a", "", "charset"}, {"a/b", "", "a/b", "", "no name"},
	} {
		e := listing.Entry{Name: c.name, Target: c.target}
		err := decode(latin{}, &e)
		if e.Name != c.want || err == nil && e.Target != c.wantTarget || (err != nil) != (c.why != "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q, %q: %+v, %v", c.name, c.target, e, err)
		}
	}
}

package remote

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

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
		entries, unread, err := parseList(c.in, listing.Options{}, nil, false)
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

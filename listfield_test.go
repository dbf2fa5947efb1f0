package ftpnat_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// fieldCase is a listing that was seen, or is of a kind that was.
type fieldCase struct {
	ID, Body, Charset string
	Lines, May        []string
	Bytes, MLSD       bool
	Want              []struct {
		Name, Type, Target, Time string
		Size                     *int64
	}
}

// wire returns the listing as it is sent.
func (c *fieldCase) wire() string {
	body := c.Body
	if body == "" {
		body = strings.Join(c.Lines, "\r\n") + "\r\n"
	}
	if !c.Bytes {
		return body
	}
	wire, _ := ftpworld.Latin1{}.Encode(body)
	return wire
}

// TestFieldListings lists what real servers sent.
func TestFieldListings(t *testing.T) {
	f, err := os.Open("internal/listing/testdata/field.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var c fieldCase
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) { inBubble(t, c.setup(), c.run) })
	}
	if n != 72 {
		t.Errorf("%d listings", n)
	}
}

// setup is a server that sends the listing, of whatever is asked.
func (c *fieldCase) setup() setup {
	return setup{
		ftp: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			if !c.MLSD {
				s.Personality = ftptest.Ancient()
			}
			body := strings.TrimSuffix(c.wire(), "\r\n") // the server adds that
			for _, want := range c.Want {
				// Of a size that is not told the server is asked.
				at, err := time.Parse("2006-01-02T15:04:05Z", want.Time)
				if c.MLSD && want.Type == "file" && want.Size == nil && err == nil {
					_ = s.Tree.WriteFile(want.Name, nil, 0o644)
					_ = s.Tree.Chtimes(want.Name, at)
				}
			}
			s.EditList = func(string, []string) []string { return []string{body} }
		},
		dialer: func(d *ftpnat.Dialer) {
			if c.Charset != "" {
				d.Charset = letters(charsets[c.Charset])
			}
		},
	}
}

func (c *fieldCase) run(t *testing.T, w *world) {
	time.Sleep(time.Until(time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)))
	list, err := w.openFS(t, "").ReadDir(".")
	var unread *ftpnat.ListingError
	if err != nil && !errors.As(err, &unread) {
		t.Fatal(err)
	}
	for _, want := range c.Want {
		i := slices.IndexFunc(list, func(d os.DirEntry) bool { return d.Name() == want.Name && kindOf(d) == want.Type })
		if i < 0 {
			t.Errorf("no %s %q in %q; %v", want.Type, want.Name, list, err)
			continue
		}
		info, ierr := list[i].Info()
		if ierr != nil {
			t.Errorf("%s: %v", want.Name, ierr)
			continue
		}
		facts := info.Sys().(*ftpnat.Facts)
		if want.Size != nil && info.Size() != *want.Size || want.Target != "" && facts.Target != want.Target || !isTime(info.ModTime(), want.Time) {
			t.Errorf("%v, %+v; want %+v", info, facts, want)
		}
		list = slices.Delete(list, i, i+1)
	}
	for _, d := range list {
		if !slices.Contains(c.May, d.Name()) {
			t.Errorf("too much: %v", d)
		}
	}
}

func kindOf(d os.DirEntry) string {
	switch {
	case d.IsDir():
		return "dir"
	case d.Type()&os.ModeSymlink != 0:
		return "link"
	case d.Type().IsRegular():
		return "file"
	}
	return "other"
}

// isTime compares a time with one as written in the cases.
func isTime(got time.Time, want string) bool {
	switch want {
	case "":
		return true
	case "none":
		return got.IsZero()
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z"} {
		if at, err := time.Parse(layout, want); err == nil {
			return got.Equal(at)
		}
	}
	// The latest such time.
	now := time.Now()
	at, err := time.Parse("2006-01-02T15:04", fmt.Sprintf("%d-%s", now.Year(), want))
	if at.After(now.Add(24 * time.Hour)) {
		at = at.AddDate(-1, 0, 0)
	}
	return err == nil && got.Equal(at)
}

// letters is a charset by its letters beyond ASCII.
type letters map[string]string

// Encode puts a name in the charset.
func (l letters) Encode(name string) (string, error) {
	var b strings.Builder
	for _, r := range name {
		wire, ok := l[string(r)]
		switch {
		case ok:
			b.WriteString(wire)
		case r < 0x80:
			b.WriteRune(r)
		default:
			return "", fmt.Errorf("%q is not in the charset", r)
		}
	}
	return b.String(), nil
}

// Decode reads a name.
func (l letters) Decode(wire string) (string, error) {
	var b strings.Builder
next:
	for wire != "" {
		for letter, bytes := range l {
			if rest, ok := strings.CutPrefix(wire, bytes); ok {
				b.WriteString(letter)
				wire = rest
				continue next
			}
		}
		if wire[0] >= 0x80 {
			return "", fmt.Errorf("%q is not in the charset", wire)
		}
		b.WriteByte(wire[0])
		wire = wire[1:]
	}
	return b.String(), nil
}

// charsets has as much of some as the listings need.
var charsets = map[string]map[string]string{
	"gbk":    {"总": "\xd7\xdc", "用": "\xd3\xc3", "量": "\xc1\xbf", "年": "\xc4\xea", "月": "\xd4\xc2", "日": "\xc8\xd5", "文": "\xce\xc4", "件": "\xbc\xfe"},
	"sjis":   {"合": "\x8d\x87", "計": "\x8c\x76", "月": "\x8c\x8e", "日": "\x93\xfa", "年": "\x94\x4e", "表": "\x95\x5c"},
	"euckr":  {"합": "\xc7\xd5", "계": "\xb0\xe8", "년": "\xb3\xe2", "월": "\xbf\xf9", "일": "\xc0\xcf", "문": "\xb9\xae", "서": "\xbc\xad"},
	"cp1251": {"а": "\xe0", "п": "\xef", "р": "\xf0", "д": "\xe4", "о": "\xee", "к": "\xea"},
}

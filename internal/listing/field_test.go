package listing

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A fieldCase is a listing that was seen, or is of a kind that was.
type fieldCase struct {
	ID    string
	Lines []string
	Body  string
	Bytes bool // Latin-1 stands for bytes
	MLSD  bool
	May   []string
	Want  []struct {
		Name, Type, Target, Time string
		Size                     *int64
	}
}

// TestField lists what real servers sent as its reporters would have it.
func TestField(t *testing.T) {
	f, err := os.Open("testdata/field.jsonl")
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
		t.Run(c.ID, func(t *testing.T) { c.run(t) })
	}
	if n != 72 {
		t.Errorf("%d listings", n)
	}
}

func (c *fieldCase) run(t *testing.T) {
	body := c.Body
	if body == "" {
		body = strings.Join(c.Lines, "\r\n") + "\r\n"
	}
	if c.Bytes {
		body = latin1(body)
	}
	o := Options{Now: time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)}
	if c.MLSD {
		o.Format = FormatMLSx
	}
	got := parseAll(t, o, body)
	for _, w := range c.Want {
		name := c.bytesOf(w.Name)
		i := slices.IndexFunc(got, func(e Entry) bool { return e.Name == name && e.Type.String() == w.Type })
		if i < 0 {
			t.Errorf("no %s %q", w.Type, name)
			continue
		}
		e := got[i]
		got = slices.Delete(got, i, i+1)
		if w.Size != nil && e.Size != *w.Size || w.Target != "" && e.Target != w.Target || !sameTime(e, w.Time, o.Now) {
			t.Errorf("%s; want %+v", describe(e, nil), w)
		}
	}
	for _, e := range got {
		if !slices.Contains(c.May, e.Name) {
			t.Errorf("too much: %q", e.Name)
		}
	}
}

// bytesOf returns what stands on the wire for a name that a charset has read.
func (c *fieldCase) bytesOf(name string) string {
	if !c.Bytes {
		return name
	}
	return map[string]string{
		"文件.txt": "\xce\xc4\xbc\xfe.txt", "表.txt": "\x95\\.txt", "문서.txt": "\xb9\xae\xbc\xad.txt", "док.txt": "\xe4\xee\xea.txt",
	}[name]
}

func latin1(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// parseAll reads a listing, settles it and reads it again as a stream would.
func parseAll(t *testing.T, o Options, body string) (entries []Entry) {
	t.Helper()
	p := NewParser(o)
	for e, err := range p.All(strings.NewReader(body)) {
		var lerr *LineError
		if err == nil {
			entries = append(entries, e)
		} else if !errors.As(err, &lerr) {
			t.Fatal(err)
		} else {
			t.Log(err)
		}
	}
	p.Settle(entries)
	o.Certain = true
	i := 0
	for e, err := range NewParser(o).All(strings.NewReader(body)) {
		if err != nil {
			continue
		}
		if s := entries[i]; e.Name != s.Name || e.Type != s.Type || e.Size != s.Size || e.Precision != PrecisionNone && !e.ModTime.Equal(s.ModTime) {
			t.Errorf("at once: %s, in the end: %s", describe(e, nil), describe(s, nil))
		}
		i++
	}
	return entries
}

// sameTime compares a time with one as written in the cases.
func sameTime(e Entry, want string, now time.Time) bool {
	if want == "" {
		return true
	}
	if want == "none" {
		return e.Precision == PrecisionNone
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z", "01-02T15:04"} {
		at, err := time.Parse(layout, want)
		if err != nil {
			continue
		}
		if layout[0] == '0' {
			at = at.AddDate(now.Year(), 0, 0)
			if at.After(now.Add(24 * time.Hour)) {
				at = at.AddDate(-1, 0, 0)
			}
		}
		return e.ModTime.Equal(at)
	}
	return false
}

package main

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// split returns the records of a text, each with its line; rejects begin with
// an exclamation mark.
func split(t *testing.T, s *splitter) (records [][]string, lines []int) {
	t.Helper()
	for {
		fields, _, number, err := s.next()
		if err == io.EOF {
			return records, lines
		}
		lines = append(lines, number)
		if rej, ok := errors.AsType[*reject](err); ok {
			records = append(records, []string{"!" + rej.Error(), string(rej.raw)})
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, append([]string(nil), fields...))
	}
}

func TestSplit(t *testing.T) {
	const bare, open = `!bare " in non-quoted-field`, "!a quote is not closed"
	cases := []struct {
		name, text string
		want       [][]string
		lines      []int
	}{
		{"plain", "a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}},
		{"no line end at the end", "a,b\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}},
		{"CR LF, and empty lines", "a,b\r\n\r\n\nc,d\r\n", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 4}},
		{"empty fields", ",\n\"\",\n", [][]string{{"", ""}, {"", ""}}, []int{1, 2}},
		{"a line end in quotes", "a,\"b\nb\"\nc\n", [][]string{{"a", "b\nb"}, {"c"}}, []int{1, 3}},
		{"quotes in quotes", "\"a\"\"b\",c\n", [][]string{{`a"b`, "c"}}, []int{1}},
		{"a bare quote takes its line alone", "a,5\" b\nc\nd,\"e\"\n", [][]string{{open, "a,5\" b\n"}, {"c"}, {"d", "e"}}, []int{1, 2, 3}},
		{"two bare quotes", "5\" a\nb\n6\" c\nd\n", [][]string{{bare, "5\" a\n"}, {"b"}, {open, "6\" c\n"}, {"d"}}, []int{1, 2, 3, 4}},
		{"a quote that is never closed", "\"a\nb\nc\n", [][]string{{open, "\"a\n"}, {"b"}, {"c"}}, []int{1, 2, 3}},
		{"text after a quote", "\"a\"b,c\nd\n", [][]string{{`!extraneous or missing " in quoted-field`, "\"a\"b,c\n"}, {"d"}}, []int{1, 2}},
		{"nothing", "", nil, nil},
	}
	for _, c := range cases {
		records, lines := split(t, newSplitter(iotest.OneByteReader(strings.NewReader(c.text)), ','))
		if !reflect.DeepEqual(records, c.want) || !reflect.DeepEqual(lines, c.lines) {
			t.Errorf("%s: got %q in lines %v, want %q in %v", c.name, records, lines, c.want, c.lines)
		}
	}
}

// TestSplitBounded feeds a quote that is never closed, in short lines and in
// one long one.
func TestSplitBounded(t *testing.T) {
	short := strings.Repeat("x\n", 256<<10)
	s := newSplitter(io.MultiReader(strings.NewReader("\"open\n"), strings.NewReader(short)), ',')
	most, records := 0, 0
	for ; ; records++ {
		if _, _, _, err := s.next(); err == io.EOF {
			break
		}
		most = max(most, cap(s.ahead), cap(s.joint))
	}
	if records != 1+len(short)/2 || most > 4*longest {
		t.Errorf("%d records, and up to %d lines or bytes in memory", records, most)
	}
	s = newSplitter(io.MultiReader(strings.NewReader("\""), strings.NewReader(strings.Repeat("y", 8<<20)), strings.NewReader("\nz\n")), ',')
	_, raw, _, err := s.next()
	if _, ok := errors.AsType[*reject](err); !ok || len(raw) != longest {
		t.Errorf("a long line: %d bytes, %v", len(raw), err)
	}
	if fields, _, number, err := s.next(); err != nil || fields[0] != "z" || number != 2 {
		t.Errorf("after a long line: %q in line %d, %v", fields, number, err)
	}
}

func TestSplitFails(t *testing.T) {
	s := newSplitter(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrNoProgress)), ',')
	if fields, _, _, err := s.next(); err != nil || fields[0] != "a" {
		t.Errorf("%q, %v", fields, err)
	}
	if fields, _, _, err := s.next(); err != io.ErrNoProgress {
		t.Errorf("half a line is the record %q, %v", fields, err)
	}
}

// FuzzSplit checks that whatever the text is, nothing of it is lost: every
// line that is not empty is in a record or in a reject, in order.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a,b\nc,\"d\ne\"\n", "5\" a\n\"\r\n\n\"\"\"x", "\"\n\"\n\"", "\r\n\r\r\n,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) >= longest {
			return
		}
		s := newSplitter(bytes.NewReader(text), ',')
		var got []byte
		for {
			_, raw, _, err := s.next()
			if err == io.EOF {
				break
			}
			if _, rejected := errors.AsType[*reject](err); err != nil && !rejected {
				t.Fatal(err)
			}
			got = append(got, raw...)
		}
		if !bytes.Equal(got, kept(text, got)) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// kept returns text without those empty lines that got does not have either.
func kept(text, got []byte) []byte {
	var all []byte
	for l := range bytes.Lines(text) {
		if len(bytes.TrimRight(l, "\r\n")) == 0 && !bytes.HasPrefix(got[min(len(all), len(got)):], l) {
			continue
		}
		all = append(all, l...)
	}
	return all
}

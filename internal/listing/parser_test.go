package listing

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestLocation(t *testing.T) {
	zone := time.FixedZone("", 5*3600)
	now := time.Date(2024, 2, 29, 23, 30, 0, 0, time.UTC) // March 1, 04:30 there
	tests := []struct {
		line string
		want time.Time
	}{
		{"-rw-r--r-- 1 0 0 7 Mar  1 04:00 a", time.Date(2024, 3, 1, 4, 0, 0, 0, zone)},
		{"-rw-r--r-- 1 0 0 7 Feb 29  2024 a", time.Date(2024, 2, 29, 0, 0, 0, 0, zone)},
		{"03-01-24  04:00AM 7 a", time.Date(2024, 3, 1, 4, 0, 0, 0, zone)},
		{"-rw-r--r-- 1 0 0 7 2024-03-01 04:00:00 +0100 a", time.Date(2024, 3, 1, 3, 0, 0, 0, time.UTC)},
		{"type=file;modify=20240301040000; a", time.Date(2024, 3, 1, 4, 0, 0, 0, time.UTC)},
		{"+r,m1709265600,\ta", time.Date(2024, 3, 1, 4, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		p := NewParser(Options{Location: zone, Now: now})
		e, ok, err := p.Line(tt.line)
		if !ok || !e.ModTime.Equal(tt.want) {
			t.Errorf("Line(%q) = %v, %v, %v; want %v", tt.line, e.ModTime, ok, err, tt.want)
		}
	}
}

// The zero of a server's own time type is no time.
func TestNoDate(t *testing.T) {
	for _, line := range []string{
		"Cr-xr-xr-x00 1-1-0001 a",
		"-rw-r--r-- 1 0 0 7 Jan  1  0001 a",
		"-rw-r--r-- 1 0 0 7 0001-01-01 00:00:00 +0100 a",
		"01-01-0001  12:00AM 7 a",
		"type=file;modify=00010101000000; a",
		"type=file;modify=00001231235960; a",
		"+r,m-62135596800,\ta",
	} {
		e, ok, err := NewParser(Options{Now: march2, Location: time.FixedZone("", 3600)}).Line(line)
		if !ok || e.Name != "a" || !e.ModTime.IsZero() || e.Precision != PrecisionNone || e.Absolute {
			t.Errorf("Line(%q) = %+v, %v, %v", line, e, ok, err)
		}
	}
}

func TestYearOfDatesWithoutOne(t *testing.T) {
	tests := []struct {
		now  string
		date string
		want string // "" means no time
	}{
		{"2024-03-02T12:00", "Feb 29 10:00", "2024-02-29"},
		{"2025-03-02T12:00", "Feb 29 10:00", "2024-02-29"},
		{"2027-12-31T12:00", "Feb 29 10:00", "2024-02-29"},
		{"1903-12-31T12:00", "Feb 29 10:00", "1896-02-29"},
		{"2024-01-01T00:10", "Dec 31 23:50", "2023-12-31"},
		{"2023-12-31T23:50", "Jan  1 00:10", "2024-01-01"},
		{"2023-12-31T23:50", "Jan  2 00:10", "2023-01-02"},
		{"2024-02-28T12:00", "Feb 29 10:00", "2024-02-29"},
		{"2024-02-28T12:00", "Feb 30 10:00", ""},
	}
	for _, tt := range tests {
		now, err := time.Parse("2006-01-02T15:04", tt.now)
		if err != nil {
			t.Fatal(err)
		}
		p := NewParser(Options{Now: now})
		e, _, err := p.Line("-rw-r--r-- 1 0 0 7 " + tt.date + " a")
		got := ""
		if e.Precision != PrecisionNone {
			got = e.ModTime.Format(time.DateOnly)
		}
		if err != nil || e.Name != "a" || got != tt.want {
			t.Errorf("%s seen at %s: %s, %v; want %q", tt.date, tt.now, got, err, tt.want)
		}
	}
}

func TestFormatIsSticky(t *testing.T) {
	p := NewParser(Options{Now: march2})
	lines := []struct {
		line   string
		ok     bool
		err    bool
		format Format
	}{
		{"", false, false, FormatAuto},
		{"something else", false, true, FormatAuto},
		{"-rw-r--r-- 1 0 0 7 Feb a", false, true, FormatAuto},
		{"-rw-r--r-- 1 0 0 7 Feb 29 10:00 a", true, false, FormatUnix},
		{"04-27-00  09:09PM 7 b", false, true, FormatUnix},
		{"type=file; c", false, true, FormatUnix},
		{"total 0", false, false, FormatUnix},
		{"Total of 453 blocks in 29 files.", false, true, FormatUnix},
		{"-rw-r--r-- 1 0 0 7 Feb 29 10:00 ..", false, false, FormatUnix},
	}
	for i, tt := range lines {
		e, ok, err := p.Line(tt.line)
		if ok != tt.ok || (err != nil) != tt.err || p.Format() != tt.format {
			t.Errorf("line %d %q = %+v, %v, %v; format %v", i+1, tt.line, e, ok, err, p.Format())
		}
		var lerr *LineError
		if tt.err && (!errors.As(err, &lerr) || lerr.Num != i+1 || lerr.Line != tt.line) {
			t.Errorf("line %d: error %#v does not carry the line", i+1, err)
		}
	}
}

func TestForcedFormat(t *testing.T) {
	p := NewParser(Options{Format: FormatMLSx})
	if e, ok, err := p.Line("total 5"); ok || err == nil {
		t.Errorf("a heading passed for MLSD: %+v", e)
	}
	if _, ok, err := p.Line("Size=5; untyped"); !ok {
		t.Errorf("no type fact: %v", err)
	}
	if _, ok, err := p.Line("type=cdir; /tmp"); ok || err != nil {
		t.Errorf("cdir = %v, %v", ok, err)
	}
}

func TestParseMLSx(t *testing.T) {
	tests := []struct {
		line, name string
		typ        Type
	}{
		{"type=cdir;perm=el; /pub", "/pub", TypeCurrent},
		{"type=pdir; /", "/", TypeParent},
		{" Type=file;Size=5; /pub/a b", "/pub/a b", TypeFile},
		{" Type=file;Size=5;  b", " b", TypeFile},
		{"UNIX.mode=0644;type=OS.unix=slink:/a b/c; d", "d", TypeLink},
		{"x.unknown-fact-with-a-long-name=1;type=DIR; d", "d", TypeDir},
	}
	for _, tt := range tests {
		e, err := ParseMLSx(tt.line)
		if err != nil || e.Name != tt.name || e.Type != tt.typ || e.Raw != tt.line {
			t.Errorf("ParseMLSx(%q) = %+v, %v", tt.line, e, err)
		}
	}
	for _, line := range []string{"", " ", "End", " name", "type=file; ", "type=file;", "type=file; a\x00", "type=file; a\rb", "=; a", "a=b c"} {
		var lerr *LineError
		if e, err := ParseMLSx(line); !errors.As(err, &lerr) || lerr.Line != line {
			t.Errorf("ParseMLSx(%q) = %+v, %v; want a *LineError", line, e, err)
		}
	}
}

func TestErrorIsBounded(t *testing.T) {
	p := NewParser(Options{})
	_, _, err := p.Line("bad\x00" + strings.Repeat("x", 50000))
	if msg := err.Error(); len(msg) > 300 || !strings.HasPrefix(msg, `listing: line 1: not in a known form: "bad\x00xx`) {
		t.Errorf("error is %d bytes: %.300s", len(msg), msg)
	}
}

func TestLineReader(t *testing.T) {
	long := strings.Repeat("y", 5000)
	text := "a\r\nb\nc\rd\r\n\r\n \r\r\n" + long + "\r\nlast"
	want := []string{"a", "b", "c\rd", "", " \r", long, "last"}
	for name, src := range map[string]io.Reader{
		"whole":    strings.NewReader(text),
		"bytewise": iotest.OneByteReader(strings.NewReader(text)),
		"data+EOF": iotest.DataErrReader(strings.NewReader(text)),
	} {
		r := NewLineReader(src)
		for _, w := range want {
			if got, err := r.Next(); got != w || err != nil {
				t.Fatalf("%s: %q, %v; want %q", name, got, err, w)
			}
		}
		for range 2 {
			if got, err := r.Next(); got != "" || err != io.EOF {
				t.Errorf("%s: %q, %v at the end", name, got, err)
			}
		}
	}
}

func TestLineReaderLimit(t *testing.T) {
	fits := strings.Repeat("x", MaxLine-2) + "\r\n"
	if got, err := NewLineReader(strings.NewReader(fits)).Next(); len(got) != MaxLine-2 || err != nil {
		t.Errorf("longest line: %d bytes, %v", len(got), err)
	}
	for _, text := range []string{
		strings.Repeat("x", MaxLine+1),
		strings.Repeat("x", MaxLine) + "\r\nb\r\n",
		strings.Repeat("x", 3*MaxLine) + "\r\nb\r\n",
	} {
		r := NewLineReader(strings.NewReader(text))
		var lerr *LineError
		if got, err := r.Next(); !errors.As(err, &lerr) || len(lerr.Line) > maxKept {
			t.Errorf("overlong line = %.20q, %v", got, err)
		}
		want, wantErr := "b", error(nil)
		if !strings.Contains(text, "b") {
			want, wantErr = "", io.EOF
		}
		if got, err := r.Next(); got != want || err != wantErr {
			t.Errorf("behind an overlong line: %.20q, %v", got, err)
		}
	}
}

// TestOverlongLine has a line that is too long cost itself and nothing else.
func TestOverlongLine(t *testing.T) {
	text := "type=file; a\r\n" + strings.Repeat("x", 3*MaxLine) + "\r\ntype=file; b\r\n"
	var got []string
	for e, err := range NewParser(Options{}).All(strings.NewReader(text)) {
		var lerr *LineError
		switch {
		case err == nil:
			got = append(got, e.Name)
		case errors.As(err, &lerr):
			got = append(got, fmt.Sprint(lerr.Num))
		default:
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"a", "2", "b"}) {
		t.Errorf("entries and errors: %q", got)
	}
}

// TestManyFacts has the facts of a line, each with a blank behind it, cost no more
// than their length.
func TestManyFacts(t *testing.T) {
	line := strings.Repeat("type=file; ", MaxLine/len("type=file; "))
	n := testing.AllocsPerRun(1, func() {
		if e, err := ParseMLSx(line + "a"); err != nil || e.Name != "a" || e.Type != TypeFile {
			t.Errorf("%+v, %v", e, err)
		}
	})
	if n > 10 {
		t.Errorf("%v allocations", n)
	}
}

// TestReadError checks that a line cut off by an error is never taken for whole.
func TestReadError(t *testing.T) {
	broken := errors.New("connection reset")
	src := io.MultiReader(strings.NewReader("type=file; a\r\ntype=file; lon"), iotest.ErrReader(broken))
	var names []string
	var last error
	for e, err := range NewParser(Options{}).All(src) {
		if last = err; err == nil {
			names = append(names, e.Name)
		}
	}
	if len(names) != 1 || names[0] != "a" || !errors.Is(last, broken) {
		t.Errorf("entries %q, then %v", names, last)
	}
}

func TestAllStops(t *testing.T) {
	p := NewParser(Options{})
	n := 0
	for range p.All(strings.NewReader("type=file; a\ntype=file; b\n")) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d entries after break", n)
	}
}

func TestValidName(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "/", "a\x00", "\r", "a\nb"} {
		if ValidName(name) {
			t.Errorf("%q is valid", name)
		}
	}
	for _, name := range []string{"a", "...", " ", "-x", `a\b`, "\xff", "*?[]", "a -> b"} {
		if !ValidName(name) {
			t.Errorf("%q is not valid", name)
		}
	}
}

func TestStrings(t *testing.T) {
	if got := TypeParent.String() + PrecisionFraction.String() + FormatNonStop.String() + FormatNortel.String(); got != "parentfractionNonStopNortel" {
		t.Errorf("last names: %s", got)
	}
	if got := Type(99).String() + Precision(99).String() + Format(99).String(); got != "invalidinvalidinvalid" {
		t.Errorf("names out of range: %s", got)
	}
}

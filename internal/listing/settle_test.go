package listing

import (
	"strings"
	"testing"
)

// TestSettle reads dates whose order or language a later line shows.
func TestSettle(t *testing.T) {
	tests := []struct {
		name           string
		lines          string
		first, certain string // the first entry's day: with all lines, and at once where it is certain
	}{
		{"day first", "01-02-20  10:00AM 1 a\n25-12-20  10:00AM 1 b", "2020-02-01", ""},
		{"month first", "01-02-20  10:00AM 1 a\n12-25-20  10:00AM 1 b", "2020-01-02", ""},
		{"never shown", "01-02-20  10:00AM 1 a", "2020-01-02", ""},
		{"the same", "05-05-05  10:00AM 1 a", "2005-05-05", "2005-05-05"},
		{"long year", "01/02/2020  10:00 1 a\n25/12/2020  10:00 1 b", "2020-02-01", ""},
		{"points", "01.02.2020  10:00 1 a", "2020-02-01", ""},
		{"impossible", "00-00-80  12:00AM 1 a\n25-12-20  10:00AM 1 b", "", ""},
		{"OS/400", "U 1 01/02/20 10:00:00 *STMF a\nU 1 20/02/00 10:00:00 *STMF b", "2020-02-01", ""},
		{"OS/400, never shown", "U 1 01/02/20 10:00:00 *STMF a", "", ""},
		{"Unix", "-rw-r--r-- 1 u g 1 05/04/2003 17:12 a\n-rw-r--r-- 1 u g 1 25/04/2003 17:12 b", "2003-04-05", ""},
		{"OS/2", "1 A 01-02-97 10:00 a\n1 A 25-02-97 10:00 b", "1997-02-01", ""},
		{"Croatian", "-rw-r--r-- 1 u g 1 srp   5  2020 a\n-rw-r--r-- 1 u g 1 kol   5  2020 b", "2020-07-05", ""},
		{"Czech", "-rw-r--r-- 1 u g 1  5. srp  2020 a\n-rw-r--r-- 1 u g 1  5. úno  2020 b", "2020-08-05", ""},
		{"either", "-rw-r--r-- 1 u g 1 srp   5  2020 a", "", ""},
		{"a year and a time", "-rw-r--r-- 1 u g 1 Jan  5, 2019 17:55 a", "2019-01-05", "2019-01-05"},
		{"Sesotho", "-rw-r--r-- 1 u g 1 Jan  5  2020 a\n-rw-r--r-- 1 u g 1 Phe  5  2020 b\n-rw-r--r-- 1 u g 1 Upu  5  2020 c", "2020-06-05", "2020-01-05"},
	}
	day := func(e Entry) string {
		if e.Precision == PrecisionNone {
			return ""
		}
		return e.ModTime.Format("2006-01-02")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := NewParser(Options{Now: march2})
			var entries []Entry
			var l List
			for e, err := range p.All(strings.NewReader(tt.lines)) {
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, e)
			}
			p.Settle(entries)
			l.Add(entries[0])
			if got := day(entries[0]); got != tt.first || day(l.At(0)) != tt.first {
				t.Errorf("settled: %q, in a list %q; want %q", got, day(l.At(0)), tt.first)
			}
			for e, err := range NewParser(Options{Now: march2, Certain: true}).All(strings.NewReader(tt.lines)) {
				if got := day(e); err != nil || got != tt.certain {
					t.Errorf("at once: %q, %v; want %q", got, err, tt.certain)
				}
				break
			}
		})
	}
}

// TestPadding has names that begin with a blank behind dates that may be filled
// up with one.
func TestPadding(t *testing.T) {
	const ls = "-rw-r--r-- 1 u g 1 "
	tests := []struct{ name, lines, want string }{
		{"German", "insgesamt 4\n" + ls + " 5. Jan 2019  a\n" + ls + " 5. Jan 2019   b", "a| b"},
		{"Polish", "razem 4\n" + ls + "2019-01-05  a\n" + ls + "2019-01-05   b", "a| b"},
		{"Lithuanian", "viso 4\n" + ls + "2019-01-05  a\n" + ls + "2019-01-05 b", " a|b"},
		{"shown later", ls + "2019-01-05  a\n" + ls + "2019-01-05 b", " a|b"},
		{"shown by a time", ls + "2019-01-05  a\n" + ls + "01-05 10:00 b", "a|b"},
		{"never shown", ls + "2019-01-05  a\n" + ls + "2019-01-05  b", "a|b"},
		{"Indonesian", ls + "Jan  5 2019  a\n" + ls + "Jan  5 2019 b", " a|b"},
		{"VFTP", ls + "Jan  5 2019  a\n" + ls + "Jan 15 2019  b", "a|b"},
		{"C", ls + "Jan  5  2019  a\n" + ls + "Jan 15  2019 b", " a|b"},
		{"an error between", ls + "2019-01-05  a\nwhat\n" + ls + "2019-01-05 b", " a|!|b"},
	}
	for _, tt := range tests {
		var got []string
		for e, err := range NewParser(Options{Now: march2}).All(strings.NewReader(tt.lines)) {
			if err != nil {
				e.Name = "!"
			}
			got = append(got, e.Name)
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
}

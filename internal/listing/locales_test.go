package listing

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLocales reads what GNU ls prints in each locale of glibc, as
// internal/locales recorded it. A name that is wrong is worse than one that is
// missing, and so with times.
func TestLocales(t *testing.T) {
	now, files, lists := readLocales(t)
	names, times, named := 0, 0, 0
	for _, l := range lists {
		o := Options{Now: now}
		missing, untimed, wrong := 0, 0, 0
		found := make(map[string]Entry)
		for _, e := range parseAll(t, o, l.text) {
			found[e.Name] = e
			at, ok := files[e.Name]
			if !ok {
				t.Errorf("%s: no file has the name %q", l.name, e.Name)
				continue
			}
			named++
			switch {
			case e.Precision == PrecisionNone:
				untimed++
			case !e.ModTime.Equal(at) && !(e.Precision == PrecisionDay && e.ModTime.Equal(at.Truncate(24*time.Hour))):
				wrong++
				t.Errorf("%s: %s; want %v", l.name, describe(e, nil), at)
			}
			if e.Size != 12 || e.Type != TypeFile || e.Owner != "root" || e.Group != "root" {
				t.Errorf("%s: %s", l.name, describe(e, nil))
			}
		}
		missing = len(files) - len(found)
		if missing == 0 {
			names++
		}
		if missing+untimed+wrong == 0 {
			times++
		} else {
			t.Logf("%s: %d of %d without a time, %d missing", l.name, untimed, len(files), missing)
		}
	}
	t.Logf("%d locales: %d list every name, %d every time", len(lists), names, times)
	if len(lists) < 499 || names < len(lists)-19 || times < len(lists)-99 {
		t.Error("too few")
	}
}

type localeList struct{ name, text string }

func readLocales(t *testing.T) (now time.Time, files map[string]time.Time, lists []localeList) {
	t.Helper()
	packed, err := os.ReadFile("testdata/locales.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files = make(map[string]time.Time)
	r := bufio.NewReader(z)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return now, files, lists
		}
		if err != nil {
			t.Fatal(err)
		}
		var seconds int64
		var size int
		var name string
		switch {
		case scan(line, "now %d", &seconds):
			now = time.Unix(seconds, 0).UTC()
		case scan(line, "file %d %q", &seconds, &name):
			files[name] = time.Unix(seconds, 0).UTC()
		case scan(line, "locale %d %s", &size, &name):
			text := make([]byte, size)
			if _, err := io.ReadFull(r, text); err != nil {
				t.Fatal(err)
			}
			lists = append(lists, localeList{name, string(text)})
		default:
			t.Fatalf("line %q", line)
		}
	}
}

func scan(line, format string, to ...any) bool {
	n, err := fmt.Sscanf(strings.TrimSuffix(line, "\n"), format, to...)
	return err == nil && n == len(to)
}

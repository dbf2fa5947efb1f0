package listing

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before you keep it")

// march2 is the day of all listings in testdata: two days after a leap day.
var march2 = time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC)

// TestGolden parses real and crafted listings, named for the server that they
// come from, and compares every field.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.list")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".list")
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p := NewParser(Options{Now: march2})
			var got strings.Builder
			for e, err := range p.All(f) {
				got.WriteString(describe(e, err) + "\n")
			}
			fmt.Fprintf(&got, "format %v\n", p.Format())
			compare(t, strings.TrimSuffix(file, ".list")+".golden", got.String())
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s:%d:\n got %s\nwant %s", golden, i+1, g, w)
		}
	}
}

// describe prints every field of an entry that is set.
func describe(e Entry, err error) string {
	if err != nil {
		var lerr *LineError
		if errors.As(err, &lerr) {
			return fmt.Sprintf("line %d: %s: %q", lerr.Num, lerr.Reason, lerr.Line)
		}
		return err.Error()
	}
	s := fmt.Sprintf("%-6v %q", e.Type, e.Name)
	add := func(key, value string) {
		if value != "" {
			s += " " + key + "=" + value
		}
	}
	if e.Target != "" {
		add("target", fmt.Sprintf("%q", e.Target))
	}
	if e.Size >= 0 {
		add("size", fmt.Sprint(e.Size))
	}
	if e.HasMode {
		add("mode", e.Mode.String())
	}
	add("owner", e.Owner)
	add("group", e.Group)
	if e.Precision != PrecisionNone {
		add(e.Precision.String(), e.ModTime.UTC().Format("2006-01-02T15:04:05.999999999"))
	} else if !e.ModTime.IsZero() {
		s += " TIME WITHOUT PRECISION"
	}
	if e.Absolute {
		s += " absolute"
	}
	add("perm", e.Perm)
	add("unique", e.Unique)
	add("media", e.MediaType)
	return s
}

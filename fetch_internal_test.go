package ftpnat

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
)

func TestInside(t *testing.T) {
	for _, tt := range []struct{ link, target, want string }{
		{"l", "x", "x"}, {"l", "./x/", "x"}, {"l", "..", ""}, {"d/l", "..", ".."}, {"d/l", "../x/y", "../x/y"},
		{"d/l", "../../x", ""}, {"d/l", "x/../y", ""}, {"d/l", "x/..", ""}, {"d/l", "../x/..", ""}, {"l", "/x", ""}, {"l", "", ""},
		{"a/b/l", "../../x", "../../x"}, {"a/b/l", "../..", "../.."}, {"l", ".", "."}, {"l", "x\x00", ""}, {"l", "a/./b", "a/b"},
	} {
		got, ok := inside(tt.link, tt.target)
		if ok != (tt.want != "") || ok && filepath.ToSlash(got) != tt.want {
			t.Errorf("inside(%q, %q) = %q, %v, want %q", tt.link, tt.target, got, ok, tt.want)
		}
	}
}

// TestSameTime compares times as servers tell them, of one file and of others.
func TestSameTime(t *testing.T) {
	at := func(precision listing.Precision, absolute bool, clock string) listing.Entry {
		when, err := time.Parse(time.DateTime, "2024-05-06 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return listing.Entry{ModTime: when, Precision: precision, Absolute: absolute}
	}
	mlst := at(listing.PrecisionSecond, true, "10:20:30")
	for _, tt := range []struct {
		other listing.Entry
		want  bool
	}{
		{mlst, true},
		{at(listing.PrecisionSecond, true, "10:20:31"), false},
		{at(listing.PrecisionSecond, true, "12:20:30"), false},
		{at(listing.PrecisionMinute, true, "10:20:00"), true},
		{at(listing.PrecisionMinute, false, "10:20:00"), true},
		{at(listing.PrecisionMinute, false, "12:20:00"), true},
		{at(listing.PrecisionMinute, false, "15:50:00"), true},
		{at(listing.PrecisionMinute, false, "12:21:00"), false},
		{at(listing.PrecisionDay, false, "00:00:00"), true},
		{listing.Entry{}, true},
	} {
		if got := sameTime(mlst, tt.other); got != tt.want {
			t.Errorf("%v %v %v: %v", tt.other.ModTime, tt.other.Precision, tt.other.Absolute, got)
		}
	}
	days := at(listing.PrecisionDay, false, "00:00:00")
	days.ModTime = days.ModTime.AddDate(0, 0, 2)
	if sameTime(mlst, days) {
		t.Error("two days later is not the same")
	}
}

// TestLanding looks at a file that somebody else creates meanwhile, one that
// cannot be written, and a file system without links.
func TestLanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ftpworld.New(t, ftpworld.Setup{})
		defer w.Close()
		dst := t.TempDir()
		root, err := os.OpenRoot(dst)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		fsys, err := (&Dialer{DialContext: w.Client.DialContext, Listen: w.Client.Listen}).Open(t.Context(), "ftp://"+w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer fsys.Close()
		job := &fetch{fs: fsys, root: root, dst: dst, top: "."}
		land := func(name string, meanwhile func(*landing), end func(*landing, error) error) error {
			return landed(t, job, name, meanwhile, end)
		}
		claim := func(l *landing, err error) error {
			if err == nil {
				err = l.claim()
			}
			return l.end(err)
		}
		nothing := func(*landing) {}
		other := func(l *landing) {
			if err := root.WriteFile(l.to, []byte("other"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		unwritable := func(l *landing) {
			l.out.Close()
			if l.out, err = root.Open(l.temp); err != nil {
				t.Fatal(err)
			}
		}
		var pe *fs.PathError
		if err := land("taken", other, (*landing).end); !errors.Is(err, fs.ErrExist) || !errors.As(err, &pe) || pe.Path != filepath.Join(dst, "taken") {
			t.Errorf("a name that is taken: %v", err)
		}
		if err := land("claimed", other, claim); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a name that is taken, without links: %v", err)
		}
		if err := land("unwritable", unwritable, (*landing).end); !errors.As(err, &pe) || !strings.Contains(err.Error(), "pub/file.bin") {
			t.Errorf("a file that cannot be written: %v", err)
		}
		if err := land("whole", nothing, (*landing).end); err != nil {
			t.Error(err)
		}
		l, err := job.begin("moved", listing.Entry{})
		if err == nil {
			err = l.claim()
		}
		if err != nil {
			t.Error(err)
		}
		l.out.Close()
		want := map[string]string{"taken": "other", "claimed": "other", "whole": string(ftpworld.Content), "moved": ""}
		list, err := os.ReadDir(dst)
		if err != nil || len(list) != len(want) {
			t.Errorf("left is %v, %v", list, err)
		}
		for name, data := range want {
			if got, err := root.ReadFile(name); err != nil || string(got) != data {
				t.Errorf("%q has %d bytes, want %d: %v", name, len(got), len(data), err)
			}
		}
	})
}

// landed copies the test file to a local name.
func landed(t *testing.T, job *fetch, name string, meanwhile func(*landing), end func(*landing, error) error) error {
	t.Helper()
	in, err := job.fs.openRead("pub/file.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	l, err := job.begin(name, in.found)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile(l)
	return end(l, l.copy(in))
}

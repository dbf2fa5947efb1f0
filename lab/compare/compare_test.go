//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	client.Main()
	os.Exit(m.Run())
}

// fixed has each kind of cell.
var fixed = &report{
	Date:    time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC),
	System:  "Some Linux 1 <stable>, Linux 6.1",
	Limit:   time.Minute,
	Clients: []peer.Client{{Name: "ftpnat", Version: "this tree"}, {Name: "other", Version: "1.2 & more"}},
	Rows: []row{
		{Name: "direct", About: "nothing in the way", Solvable: true, Cells: []cell{
			{Elapsed: 123 * time.Millisecond}, {Elapsed: 9996 * time.Millisecond},
		}},
		{Name: "forwarded", About: "a way with a | in it that is long enough for two lines", Solvable: true, Settings: "ListenPorts 1 to 9", Cells: []cell{
			{Elapsed: 2 * time.Second}, {Elapsed: 12340 * time.Millisecond, Said: "425 <Failed> to *establish* connection | again"},
		}},
		{Name: "nothing-works", About: "no way", Cells: []cell{
			{Elapsed: 20 * time.Second, Said: "there is no way"}, {Elapsed: time.Minute, Endless: true},
		}},
	},
}

func fixedText(w io.Writer) error {
	err := fixed.textHead(w)
	for _, row := range fixed.Rows {
		err = errors.Join(err, row.text(w))
	}
	return errors.Join(err, fixed.textFoot(w))
}

func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		file  string
		print func(io.Writer) error
	}{
		{"table.txt", fixedText},
		{"table.md", func(w io.Writer) error { return fixed.markdown(w, "lab/picture.svg") }},
		{"picture.svg", fixed.svg},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var got bytes.Buffer
			if err := tt.print(&got); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join("testdata", tt.file)
			if *update {
				if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want)
			}
		})
	}
}

// TestPictureIsXML reads the picture with all that a client may say in it.
func TestPictureIsXML(t *testing.T) {
	r := *fixed
	r.Rows = []row{{Name: "<&>", About: `"'`, Cells: []cell{{Said: "\x00\x1b[31m <svg> &"}, {}}}}
	var b bytes.Buffer
	if err := r.svg(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string // a part of the error
	}{
		{[]string{"-nonsense"}, "-nonsense"},
		{[]string{"direct"}, `"direct" is no flag`},
		{[]string{"-path", "nowhere"}, `no path "nowhere"`},
		{[]string{"-limit", "0s"}, "-limit 0s"},
		{[]string{"-limit", "soon"}, "soon"},
		{[]string{"-readme", "docs/paths.md", "-path", "direct"}, "-readme"},
	} {
		err := run(t.Context(), tt.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q in it", tt.args, err, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	var b bytes.Buffer
	if err := run(t.Context(), []string{"-list"}, &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"direct ", "nothing in the way\n", "nothing-works "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the list has no %q:\n%s", want, b.String())
		}
	}
}

func TestNames(t *testing.T) {
	const long = "-rw-r--r--    1 1000     1000      1048576 Nov 22 14:00 down.bin\r\n\r\n"
	for _, listing := range []string{long, "down.bin\n", "down.bin"} {
		if got, want := names(listing), []string{"down.bin"}; !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", listing, got, want)
		}
	}
}

func TestLastLine(t *testing.T) {
	for _, tt := range []struct {
		texts []string
		want  string
	}{
		{[]string{"one\ntwo\n\n", "three"}, "two"},
		{[]string{" \r\n", "three\r\n"}, "three"},
		{[]string{"down.bin: 10%\rdown.bin: failed  \r\n"}, "down.bin: failed"},
		{[]string{"", ""}, ""},
	} {
		if got := lastLine(tt.texts...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.texts, got, tt.want)
		}
	}
}

// TestShort runs the laboratory's own clients on one path that only one of them
// gets through.
func TestShort(t *testing.T) {
	labtest.Need(t, cli.Ready())
	ps, err := choose("epsv-resets")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := compare(t.Context(), ps, libraries(), 30*time.Second, &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if len(r.Rows) != 1 || len(r.Rows[0].Cells) != 2 {
		t.Fatalf("rows %+v, want one with two cells", r.Rows)
	}
	if ours := r.Rows[0].Cells[0]; !ours.ok() || ours.Elapsed <= 0 {
		t.Errorf("ftpnat: %+v, want success", ours)
	}
	if bare := r.Rows[0].Cells[1]; bare.Said == "" || bare.Endless {
		t.Errorf("jlaffaye/ftp: %+v, want an error", bare)
	}
}

// TestCancelled sees that an interrupt ends the contest with its cause.
func TestCancelled(t *testing.T) {
	ps, err := choose("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rows := 0
	err = contest(ctx, ps, libraries(), time.Minute, func([]cell) error { rows++; return nil })
	if !errors.Is(err, context.Canceled) || rows > 0 {
		t.Errorf("%v after %d rows, want %v and none", err, rows, context.Canceled)
	}
}

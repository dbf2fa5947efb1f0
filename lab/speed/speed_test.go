//go:build linux

package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/bulk"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/lab/internal/trips"
)

// sample is a report with two clients, of which the second fails at one row and
// cannot do another.
func sample() *report {
	r := &report{
		Date: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), System: "Debian, Linux 6.18", RTT: 50 * time.Millisecond, Repeats: 3,
		Clients: []peer.Client{{Name: "ftpnat", Version: "this tree"}, {Name: "<other>", Version: "v1"}},
		Size:    1 << 30, BulkRepeats: 5,
	}
	for _, row := range trips.Rows() {
		for _, kind := range row.Servers {
			other := cell{Wall: 213.4, Counted: 213}
			switch row.Name {
			case "upload":
				other = cell{Said: "it broke"}
			case "walk":
				other = cell{None: true}
			}
			r.Lines = append(r.Lines, line{Row: row, Server: kind, Cells: []cell{{Wall: 3.14, Counted: 3}, other}})
		}
	}
	for _, name := range []string{"download", "upload"} {
		l := bulkLine{Name: name, Costs: make([]bulkCost, len(bulk.Contenders()))}
		l.Costs[bareCopy] = bulkCost{Wall: 2, CPU: 1}
		l.Costs[ours] = bulkCost{Wall: 2.1, CPU: 0.5, Memory: 1.25}
		l.Costs[2] = bulkCost{Said: "it broke"}
		r.Bulk = append(r.Bulk, l)
	}
	r.Bulk[0].Wall, r.Bulk[0].CPU = spread{0.98, 1.04, 1.1}, spread{0.4, 0.51, 0.6}
	r.Bulk[1].Costs[bareCopy] = bulkCost{Said: "it broke"}
	return r
}

func TestMarkdown(t *testing.T) {
	got := string(sample().markdown())
	for _, want := range []string{
		"](speed-file.svg)", "](speed-job.svg)",
		"a wire of 50 ms", "medians of 3", "2026-11-22",
		"| ftpnat<br>this tree | <other><br>v1 |",
		"| a small file | vsftpd | **3.1** (3.0) | 213 |\n|  | ProFTPD | **3.1** (3.0) | 213 |",
		"| upload of a small file | vsftpd | **3.1** (3.0) | ✗ |",
		"| 51 directories with 1,000 files, in all | vsftpd | **3.1** (3.0) | – |",
		"\n1024 MiB, and 256 MiB over TLS, ", "medians of 5.\n",
		"| download | 2.00; 1.000 | 2.10; 0.500 | ✗ | 0.00; 0.000 | **1.04** (0.98–1.10); **0.51** (0.40–0.60) | 1.2 MiB |",
		"| upload | ✗ | 2.10; 0.500 | ✗ | 0.00; 0.000 | ✗ | ✗ |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
}

// TestPublish sees that what a README shows is there and can be read.
func TestPublish(t *testing.T) {
	folder := t.TempDir()
	readme := filepath.Join(folder, "README.md")
	err := errors.Join(
		os.MkdirAll(filepath.Join(folder, filepath.Dir(perFileChart)), 0o755),
		os.WriteFile(readme, []byte("<!-- speed:begin -->\n<!-- speed:end -->\n"), 0o644),
		sample().publish(readme),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{perFileChart, inAllChart} {
		svg, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		texts, err := textsOf(string(svg))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"<other>", "Pure-FTPd", "3.1", "213"} {
			if !strings.Contains(texts, want+"\n") {
				t.Errorf("%s lacks the text %q:\n%s", name, want, texts)
			}
		}
		if !strings.Contains(texts, "–\n") {
			t.Errorf("%s has no mark for what a client cannot do or failed to do:\n%s", name, texts)
		}
		// The rules for dark pages are about these.
		for _, c := range []string{"fill:#FEFFFF", "fill:#1F2328", "fill:#59636E"} {
			if !strings.Contains(string(svg), c) {
				t.Errorf("%s has nothing with %s", name, c)
			}
		}
	}
}

// textsOf returns the texts of a picture, a line each.
func textsOf(svg string) (string, error) {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(svg))
	inside := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		switch token := token.(type) {
		case xml.StartElement:
			inside = token.Name.Local == "text"
		case xml.CharData:
			if inside {
				fmt.Fprintf(&b, "%s\n", token)
			}
		case xml.EndElement:
			inside = false
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		all  []float64
		want float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{9, 1, 5, 2}, 2},
	} {
		if got := median(tt.all, func(v float64) float64 { return v }); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.all, got, tt.want)
		}
	}
}

// TestPair compares round by round, where medians by themselves would mix what
// the machine did at other times.
func TestPair(t *testing.T) {
	cost := func(wall, cpu int) bulk.Cost {
		return bulk.Cost{Wall: time.Duration(wall) * time.Second, CPU: time.Duration(cpu) * time.Second}
	}
	bare := []bulk.Cost{cost(1, 10), cost(10, 1), cost(100, 4), cost(2, 2), cost(4, 1)}
	own := []bulk.Cost{cost(1, 20), cost(11, 1), cost(120, 2), cost(6, 3), cost(2, 5)}
	var l bulkLine
	l.pair(bare, own)
	if want := (spread{1, 1.1, 1.2}); l.Wall != want {
		t.Errorf("of the time: %v, want %v", l.Wall, want)
	}
	if want := (spread{1, 1.5, 2}); l.CPU != want {
		t.Errorf("of the CPU: %v, want %v", l.CPU, want)
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{9, 7}, spread{7, 7, 9}},
		{[]float64{9, 7, 8}, spread{7, 8, 9}},
		{[]float64{5, 1, 4, 2, 3}, spread{2, 3, 4}},
		{[]float64{11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6}, spread{3, 6, 9}},
	} {
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestTurns(t *testing.T) {
	contenders := bulk.Contenders()
	if a, b := contenders[bareCopy].Name, contenders[ours].Name; a != "bare copy" || b != "ftpnat" {
		t.Errorf("%s and %s are paired", a, b)
	}
	for round, want := range [][]int{{0, 1, 2, 3}, {1, 0, 2, 3}, {0, 1, 2, 3}} {
		if got := turns(round, 4); !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
	}
}

func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want cell
	}{
		{nil, cell{}},
		{trips.ErrNone, cell{None: true}},
		{errors.New("one\ntwo"), cell{Said: "one"}},
		{errors.New(""), cell{Said: "nothing"}},
	} {
		if got := failure(tt.err); got != tt.want {
			t.Errorf("failure(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-quick", "-rows", "walk,upload", "-servers", "proftpd", "-clients", "ftpnat"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.repeats != 1 || o.size != 256<<20 || len(o.rows) != 2 || o.rows[0].Name != "walk" || o.kinds[0] != servers.ProFTPD || len(o.clients) != 1 {
		t.Errorf("options are %+v", o)
	}
	if o, err = parse([]string{"-readme", "docs/performance.md"}, io.Discard); err != nil || o.size != 2<<30 {
		t.Errorf("options are %+v, %v", o, err)
	}
	for _, args := range []string{"more", "-rtt 0", "-repeats 0", "-rows none", "-servers none", "-clients none", "-readme a -rows walk", "-readme a -bulk 0"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

// TestScaleLine has the first of a row compared with the others, pair by pair, and
// the first round left out.
func TestScaleLine(t *testing.T) {
	calls := 0
	took := func(all ...time.Duration) func(context.Context) (use, error) {
		n := 0
		return func(context.Context) (use, error) {
			calls++
			n++
			return use{Wall: all[n-1], CPU: 2 * all[n-1], Allocs: 100}, nil
		}
	}
	row := scaleRow{"files", 10, []worker{{"a", took(time.Hour, 10, 20, 60)}, {"b", took(time.Hour, 20, 20, 20)}}}
	l, err := options{repeats: 3}.scaleLine(t.Context(), row)
	if err != nil || calls != 8 || len(l.Cells) != 2 {
		t.Fatalf("%+v after %d calls, %v", l, calls, err)
	}
	if b := l.Cells[1]; b.RatioWall != 1 || b.Ratio != 1 || b.Allocs != 10 || l.Cells[0].Ratio != 0 {
		t.Errorf("%+v", l.Cells)
	}
	if page := string(options{repeats: 3}.scaleMarkdown([]scaleLine{l})); !strings.Contains(page, "| files | a |") || !strings.Contains(page, "| 10 | 1.00; 1.00 |") {
		t.Errorf("%s", page)
	}
}

// TestPrograms has each program be told of the server and of both folders.
func TestPrograms(t *testing.T) {
	j := programJob{host: "192.0.2.1", port: "2121", remote: "there", local: "/here", files: 3}
	for _, p := range programs() {
		for _, how := range []func(programJob) ([]string, string){p.Down, p.Up} {
			args, input := how(j)
			all := strings.Join(args, " ") + input
			for _, want := range []string{j.host, j.port, j.remote, j.local} {
				if !strings.Contains(all, want) {
					t.Errorf("%s: no %s in %s", p.Name, want, all)
				}
			}
		}
	}
	fsys := fstest.MapFS{"d/a": {Data: make([]byte, scaleSize)}, "e/a": {Data: make([]byte, 10)}}
	for dir, want := range map[string]int{"d": 1, "e": 0, "f": 0} {
		for n := range 3 {
			if err := allThere(fsys, dir, n); (err == nil) != (n == want && n > 0) {
				t.Errorf("%d files in %s: %v", n, dir, err)
			}
		}
	}
}

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/page"
)

// target is what something cost before, is to cost, and costs.
type target struct{ What, Before, Reach, Now string }

// targets are those that this command can tell: from the lines of -scale, from some
// jobs of -growth, and by what a test holds.
func (o options) targets(ctx context.Context, lines []scaleLine, files int) ([]target, error) {
	list := scaleTargets(lines, files)
	for _, more := range []func(context.Context) ([]target, error){o.openTarget, o.wholeTarget, o.growthTargets, idleTarget, binaryTarget, tlsTarget, o.splitTarget} {
		t, err := more(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, t...)
	}
	return append(list,
		target{"first byte over TLS 1.3, round trips from connect, of a later session", "to be measured", "≤ 6.2", "≤ 7.1: no server sends before it has the client's Finished (`TestFirstByteTLS`)"},
		target{"next byte after the session was killed, round trips", "13.8", "≤ 6", "≤ 5 (`TestNextByte`)"},
		target{"next byte after the data connection went silent", "66 s", "≤ 20 s, and a setting", "≤ 20 s, `KeepAliveConfig` (`TestSilentData`)"}), nil
}

// scaleTargets are in the order of the rows of -scale.
func scaleTargets(lines []scaleLine, files int) []target {
	down, up, deepDown, deepUp, few, walk := lines[0].Cells, lines[1].Cells, lines[2].Cells, lines[3].Cells, lines[4].Cells, lines[5].Cells
	return []target{
		{fmt.Sprintf("%d files of 4 KiB, CPU a file, down / up, 4 connections, x jlaffaye/ftp", files), "1.4–1.8 / 1.6–2.1; 1.5 x the time", "≤ 1.15 / 1.2, never slower",
			fmt.Sprintf("%.2f / %.2f; %.2f / %.2f x the time", down[1].Ratio, up[1].Ratio, down[1].RatioWall, up[1].RatioWall)},
		{"allocations a file, down / up", "110 / 93", "≤ 60 / 45", fmt.Sprintf("%.0f / %.0f", down[0].Allocs, up[0].Allocs)},
		{"the same in directories 32 deep", "297 down, CPU x 1.65", "flat", fmt.Sprintf("%.0f / %.0f, CPU x %.2f / %.2f", deepDown[0].Allocs, deepUp[0].Allocs, deepDown[0].CPU/down[0].CPU, deepUp[0].CPU/up[0].CPU)},
		{"50 small files, all included, a login of 55 ms, 4 connections: time, x 1 connection, x jlaffaye/ftp", "2", "≤ 1", fmt.Sprintf("%.2f, %.2f", few[1].RatioWall, few[2].RatioWall)},
		{"walk of directories of 10 files, 4 connections: time, x 1 connection", "0.95", "≤ 0.5", fmt.Sprintf("%.2f", walk[1].RatioWall)},
	}
}

// openTarget opens a thousand files.
func (o options) openTarget(ctx context.Context) ([]target, error) {
	l, err := subjectOf(aboutOpen).measure(ctx, 1000)
	return []target{{"1,000 files opened, 100 bytes read of each, 4 connections: a file", "1.6–3.4 ms, 22.7 KB", "≤ 0.6 ms, ≤ 6.5 KB",
		fmt.Sprintf("%.2f ms, %.1f KB (%.2f ms of CPU)", l.Wall/1000, l.Bytes/1000, l.CPU/1000)}}, err
}

// subjectOf finds a subject.
func subjectOf(about string) subject {
	for _, s := range subjects(1000) {
		if s.About == about {
			return s
		}
	}
	panic("speed: no subject " + about)
}

// wholeTarget reads a big file whole, and as a stream.
func (o options) wholeTarget(ctx context.Context) (list []target, err error) {
	p, err := startGrowth(ctx, oneFew(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	fsys, err := p.open(&ftpnat.Dialer{MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer fsys.Close()
	var cpu, size []float64
	for range o.repeats {
		stream, err := used(func() error {
			f, err := fsys.Open("big")
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, f)
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return nil, err
		}
		whole, err := used(func() error { _, err := fsys.ReadFile("big"); return err })
		if err != nil {
			return nil, err
		}
		cpu, size = append(cpu, whole.CPU.Seconds()/stream.CPU.Seconds()), append(size, whole.Bytes/growthBig)
	}
	return []target{{fmt.Sprintf("ReadFile of %d MiB whose size is known: CPU, x a stream; memory, x the size", growthBig>>20), "10; 2.1", "≤ 2; ≤ 1.05",
		fmt.Sprintf("%.2f; %.2f", spreadOf(cpu).Median, spreadOf(size).Median)}}, nil
}

// growthTargets are a walk with Info, and a thousand goroutines beside four, in turn.
func (o options) growthTargets(ctx context.Context) ([]target, error) {
	walk, err := subjectOf(aboutWalk).measure(ctx, 1000)
	if err != nil {
		return nil, err
	}
	var ratios []float64
	for range o.repeats {
		few, err := subjectOf(aboutGoroutines).measure(ctx, 4)
		if err != nil {
			return nil, err
		}
		many, err := subjectOf(aboutGoroutines).measure(ctx, 1000)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, many.CPU/few.CPU)
	}
	return []target{
		{"Info of each file of a tree with directories of 100: commands a file", "1", "none", fmt.Sprintf("%.2f, listings and all", walk.Command)},
		{"1,000 goroutines in ReadFile: CPU a call, x that of 4", "1.4", "≤ 1.1", fmt.Sprintf("%.2f", spreadOf(ratios).Median)},
	}, nil
}

// idleTarget is what an FS holds that nobody uses.
func idleTarget(ctx context.Context) (list []target, err error) {
	const n = 50
	p, err := startGrowth(ctx, oneFew(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	d := new(ftpnat.Dialer)
	live := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools hold is kept for one
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := 0.0
	for i := range n + 1 {
		fsys, err := p.open(d)
		if err != nil {
			return nil, err
		}
		defer fsys.Close()
		if i == 0 {
			before = live()
		}
	}
	return []target{{"an FS that is idle", "24.8 KB", "≤ 12 KB", fmt.Sprintf("%.1f KB", (live()-before)/n/1000)}}, nil
}

// binaryTarget builds a program that does little but import the package.
func binaryTarget(ctx context.Context) (list []target, err error) {
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "hello")
	const text = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ftpnat/ftpnat"
)

func main() {
	fsys, err := ftpnat.Open(context.Background(), os.Args[1])
	fmt.Println(fsys, err)
}
`
	if err := os.WriteFile(source, []byte(text), 0o666); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	built, err := os.Stat(program)
	if err != nil {
		return nil, err
	}
	deps, err := exec.CommandContext(ctx, "go", "list", "-deps", source).Output()
	return []target{{"a hello-world that imports the package", "9.43 MB, 204 packages", "≤ 8.8 MB, ≤ 188",
		fmt.Sprintf("%.2f MB, %d packages, of which %d are the library's (6 before)", float64(built.Size())/1e6, len(strings.Fields(string(deps))), strings.Count(string(deps), "github.com/ftpnat/ftpnat"))}}, err
}

// tlsTarget has the ratios of a benchmark of the library, which compares with a bare
// client in turns.
func tlsTarget(ctx context.Context) ([]target, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkBulk$/^ftpes_to", "-benchtime", "15x", "github.com/ftpnat/ftpnat").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench Bulk: %w: %s", err, out)
	}
	var now []string
	for _, to := range []string{"nowhere", "a_file"} {
		row := regexp.MustCompile(`to_` + to + `\S*\s.*?(\S+) cpu-ratio\s+(\S+) wall-ratio`).FindSubmatch(out)
		if row == nil {
			return nil, fmt.Errorf("go test -bench Bulk tells nothing of %s: %s", to, out)
		}
		now = append(now, fmt.Sprintf("%s, CPU %s", row[2], row[1]))
	}
	return []target{{"TLS 1.3 download to a reader; to a file: time, x a bare TLS client", "1.2–1.5; 1.30", "≤ 1.1; ≤ 1.1", strings.Join(now, "; ")}}, nil
}

// splitRate is what a connection brings in a second, in bytes. Loss holds TCP to a rate
// that is the same for all connections of a path.
const splitRate = 16 << 20

// slow is a connection that is held to splitRate.
type slow struct {
	net.Conn
	free time.Time // when the next byte may come
}

func (c *slow) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), splitRate/100)])
	c.free = later(c.free, time.Now()).Add(time.Duration(n) * time.Second / splitRate)
	time.Sleep(time.Until(c.free))
	return n, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// splitTarget fetches a big file in ranges.
func (o options) splitTarget(ctx context.Context) (list []target, err error) {
	p, err := startGrowth(ctx, oneFew(1))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	fetch := func(conns int) (u use, err error) {
		dir, remove, err := tempDir()
		if err != nil {
			return use{}, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		d := &ftpnat.Dialer{MaxConns: conns, SplitOver: 1 << 20, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &slow{Conn: nc}, nil
		}}
		fsys, err := p.open(d)
		if err != nil {
			return use{}, err
		}
		defer fsys.Close()
		return used(func() error { return fsys.Fetch(filepath.Join(dir, "big"), "big") })
	}
	var ratios []float64
	for range o.repeats {
		four, err := fetch(4)
		if err != nil {
			return nil, err
		}
		eight, err := fetch(8)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, eight.Wall.Seconds()/four.Wall.Seconds())
	}
	return []target{{fmt.Sprintf("SplitOver with 8 connections, each held to %d MiB a second: time, x 4 connections", splitRate>>20), "slower", "≤ 1", fmt.Sprintf("%.2f", spreadOf(ratios).Median)}}, nil
}

// targetsMarkdown is the table of the page.
func targetsMarkdown(list []target) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Written by the same run, with the same reserve about times (%s); \"now\" is a ratio of medians or a count, or what the test named holds.\n\n", escape.Replace(page.System()))
	b.WriteString("| what | before | to reach | now |\n|---|---|---|---|\n")
	for _, t := range list {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.What, t.Before, t.Reach, t.Now)
	}
	return b.Bytes()
}

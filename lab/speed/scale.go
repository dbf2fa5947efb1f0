//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/page"
)

// scaleRow is a job at scale, that clients do one after the other in each round.
type scaleRow struct {
	About string
	Units int      // files, or directories
	Done  []worker // the first is compared with each of the others
}

// worker is a client at its job. It returns what was used.
type worker struct {
	Name string
	Do   func(ctx context.Context) (use, error)
}

// use is what a job used, in all.
type use struct {
	Wall, CPU time.Duration
	Allocs    float64 // zero where that is not known
	Bytes     float64 // allocated
}

// scaleLine is a row with what was measured.
type scaleLine struct {
	About string
	Cells []scaleCell
}

// scaleCell has medians for one unit.
type scaleCell struct {
	Name             string
	Wall, CPU        float64 // microseconds
	Allocs           float64
	RatioWall, Ratio float64 // of the first one's time and CPU to this one's, pair by pair
}

// scale measures what small things cost when there are many, on loopback, where the
// network hides nothing. The server is a process of its own.
func (o options) scale(ctx context.Context, log io.Writer) (lines []scaleLine, err error) {
	dir, err := os.MkdirTemp("", "ftpnat-lab-speed-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := startScale(ctx, filepath.Join(dir, "work"), o.scaleFiles())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	fmt.Fprintf(log, "for one file or directory: microseconds, of CPU, allocations; ftpnat to it in time and CPU\n\n")
	for _, row := range p.rows() {
		l, err := o.scaleLine(ctx, row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.About, err)
		}
		fmt.Fprintf(log, "%s\n", l.About)
		for _, c := range l.Cells {
			fmt.Fprintf(log, "  %-26s%8.0f %8.0f %8.1f   %s\n", c.Name, c.Wall, c.CPU, c.Allocs, c.ratios())
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func (o options) scaleFiles() int {
	if o.quick {
		return 2_000
	}
	return 20_000
}

func (o options) scaleLine(ctx context.Context, row scaleRow) (scaleLine, error) {
	measured := make([][]use, len(row.Done))
	for round := range o.repeats + 1 {
		for i, w := range row.Done {
			u, err := w.Do(ctx)
			if err != nil {
				return scaleLine{}, fmt.Errorf("%s: %w", w.Name, err)
			}
			if round > 0 { // the first one has warmed up
				measured[i] = append(measured[i], u)
			}
		}
	}
	l := scaleLine{About: row.About}
	each := float64(row.Units)
	for i, w := range row.Done {
		c := scaleCell{Name: w.Name}
		c.Wall = median(measured[i], func(u use) float64 { return u.Wall.Seconds() * 1e6 / each })
		c.CPU = median(measured[i], func(u use) float64 { return u.CPU.Seconds() * 1e6 / each })
		c.Allocs = median(measured[i], func(u use) float64 { return u.Allocs / each })
		if i > 0 {
			var wall, cpu []float64
			for round, u := range measured[i] {
				wall = append(wall, measured[0][round].Wall.Seconds()/u.Wall.Seconds())
				cpu = append(cpu, measured[0][round].CPU.Seconds()/u.CPU.Seconds())
			}
			c.RatioWall, c.Ratio = spreadOf(wall).Median, spreadOf(cpu).Median
		}
		l.Cells = append(l.Cells, c)
	}
	return l, nil
}

func (c scaleCell) ratios() string {
	if c.Ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f; %.2f", c.RatioWall, c.Ratio)
}

// scaleMarkdown is the table of the page.
func (o options) scaleMarkdown(lines []scaleLine) []byte {
	var b bytes.Buffer
	quick := ""
	if o.quick {
		quick = " -quick"
	}
	fmt.Fprintf(&b, "On loopback, the server (`ftptest`) in a process of its own; for one file or directory of %d, medians of %d rounds in which all take\n"+
		"their turn. curl, lftp and rclone copy a tenth, and are measured with their start and end, if they are installed. Times are worth what the\n"+
		"machine had left: a load of %s on %d processors. The ratio of CPU and the allocations are what to trust. %s, %s. `go run ./lab/speed -scale%s -readme docs/performance.md` made this.\n\n", o.scaleFiles(), o.repeats, load(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"), escape.Replace(page.System()), quick)
	b.WriteString("| | | µs | µs of CPU | allocations | ftpnat to it: time; CPU |\n|---|---|---|---|---|---|\n")
	for _, l := range lines {
		about := l.About
		for _, c := range l.Cells {
			allocs := "–"
			if c.Allocs > 0 {
				allocs = fmt.Sprintf("%.0f", c.Allocs)
			}
			fmt.Fprintf(&b, "| %s | %s | %.0f | %.0f | %s | %s |\n", about, c.Name, c.Wall, c.CPU, allocs, c.ratios())
			about = ""
		}
	}
	return b.Bytes()
}

// load returns the load of the last five minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if all := strings.Fields(string(text)); err == nil && len(all) > 1 {
		return all[1]
	}
	return "an unknown number"
}

// runScale is the command with -scale.
func (o options) runScale(ctx context.Context, stdout io.Writer) error {
	lines, err := o.scale(ctx, stdout)
	if err != nil {
		return err
	}
	list, err := o.targets(ctx, lines, o.scaleFiles())
	if err != nil {
		return err
	}
	table := targetsMarkdown(list)
	if _, err := fmt.Fprintf(stdout, "\n%s", table); err != nil || o.readme == "" {
		return err
	}
	return errors.Join(page.Insert(o.readme, "scale", o.scaleMarkdown(lines)), page.Insert(o.readme, "targets", table))
}

// deep is a directory in as many others.
func deep(n int) string { return strings.Repeat("directory/", n) }

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/page"
)

// What one costs is flat if it is no more than this many times what it cost where
// there were the fewest. Times are worth what the machine has left.
const (
	flatCount = 1.10
	flatTime  = 1.50
)

const (
	growthTurn  = 300 * time.Millisecond // jobs are repeated for so long
	growthExtra = 2                      // times what a job takes, with what it needs made and removed
)

// subject is a job that is done with more and more of something.
type subject struct {
	About   string
	Numbers []int
	Tree    func(n int) growthTree
	Units   func(n int) int // what a job does, such as calls; nil means n
	Prepare func(p *growthPlace, n int) (growthJob, error)
}

// growthJob is done several times. What it leaves is removed when it is not measured.
type growthJob struct {
	Warm, Do, Clear func() error // Clear may be nil
	Close           func() error
}

// growthLine is what one cost.
type growthLine struct {
	About                             string
	N                                 int
	Wall, CPU, Allocs, Bytes, Command float64 // times in microseconds
	LeftOut                           time.Duration
}

// figures are what is compared, and up to how much it is flat.
func (l growthLine) figures() (values, limits [5]float64) {
	return [5]float64{l.Wall, l.CPU, l.Allocs, l.Bytes, l.Command}, [5]float64{flatTime, flatTime, flatCount, flatCount, flatCount}
}

// growth measures all subjects with up to so many files. What would take longer than
// is left of the time is left out.
func (o options) growth(ctx context.Context, log io.Writer) (lines []growthLine, err error) {
	deadline := time.Now().Add(o.within)
	fmt.Fprintf(log, "for one: microseconds, of CPU, allocations, bytes, commands; each to that of the first line, ! where it is not flat\n\n")
	for _, s := range subjects(o.most) {
		var first, last growthLine
		for _, n := range s.Numbers {
			l := growthLine{About: s.About, N: n}
			takes := time.Duration(last.Wall*float64(s.units(n)*growthExtra)) * time.Microsecond
			if time.Now().Add(takes).After(deadline) {
				l.LeftOut = takes
			} else if l, err = s.measure(ctx, n); err != nil {
				return nil, fmt.Errorf("%s, %d: %w", s.About, n, err)
			}
			if first.N == 0 {
				first = l
			}
			fmt.Fprintln(log, l.text(first))
			lines = append(lines, l)
			if last = l; l.LeftOut > 0 {
				break
			}
		}
	}
	return lines, nil
}

func (s subject) units(n int) int {
	if s.Units == nil {
		return n
	}
	return s.Units(n)
}

// measure has a server of its own, so that what one number leaves is not another's.
func (s subject) measure(ctx context.Context, n int) (l growthLine, err error) {
	p, err := startGrowth(ctx, s.Tree(n))
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	job, err := s.Prepare(p, n)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, job.Close()) }()
	if err := job.Warm(); err != nil {
		return l, err
	}
	var sum use
	times, commands := 0, 0
	for ; times == 0 || sum.Wall < growthTurn; times++ {
		before, err := p.commands()
		if err != nil {
			return l, err
		}
		u, err := used(job.Do)
		if err != nil {
			return l, err
		}
		after, err := p.commands()
		if err != nil {
			return l, err
		}
		sum.Wall, sum.CPU, sum.Allocs, sum.Bytes = sum.Wall+u.Wall, sum.CPU+u.CPU, sum.Allocs+u.Allocs, sum.Bytes+u.Bytes
		commands += after - before
		if job.Clear != nil {
			if err := job.Clear(); err != nil {
				return l, err
			}
		}
	}
	each := float64(times * s.units(n))
	return growthLine{About: s.About, N: n, Wall: sum.Wall.Seconds() * 1e6 / each, CPU: sum.CPU.Seconds() * 1e6 / each,
		Allocs: sum.Allocs / each, Bytes: sum.Bytes / each, Command: float64(commands) / each}, nil
}

// ratios compares with the first line; mark tells what is not flat.
func (l growthLine) ratios(first growthLine, mark func(string) string) []string {
	values, limits := l.figures()
	firsts, _ := first.figures()
	var list []string
	for i, v := range values {
		// A command for a whole directory is next to none for each of its files.
		if firsts[i] < 0.005 {
			list = append(list, "–")
			continue
		}
		text := fmt.Sprintf("%.2f", v/firsts[i])
		if v > limits[i]*firsts[i] {
			text = mark(text)
		}
		list = append(list, text)
	}
	return list
}

func (l growthLine) text(first growthLine) string {
	start := fmt.Sprintf("%-42s%8d", l.About, l.N)
	if l.LeftOut > 0 {
		return fmt.Sprintf("%s  left out, would take %v", start, l.LeftOut.Round(time.Second))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%9.1f%9.1f%9.1f%9.0f%8.3f ", start, l.Wall, l.CPU, l.Allocs, l.Bytes, l.Command)
	for _, r := range l.ratios(first, func(s string) string { return s + "!" }) {
		fmt.Fprintf(&b, "%7s", r)
	}
	return b.String()
}

// growthMarkdown is the table of the page.
func growthMarkdown(lines []growthLine) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "On loopback, the server (`ftptest`) in a process of its own, a fresh one for each line; what one costs, and that to what it costs in the\n"+
		"first line, in bold where it is not flat: %.2f times as much, of time or CPU %.2f. Times are worth what the machine had left: a load of\n"+
		"%s on %d processors. %s, %s. `go run ./lab/speed -growth -readme docs/performance.md` made this.\n\n",
		flatCount, flatTime, load(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02"), escape.Replace(page.System()))
	b.WriteString("| | | µs | µs of CPU | allocations | bytes | commands | to the first |\n|---|---|---|---|---|---|---|---|\n")
	var first growthLine
	for _, l := range lines {
		about := ""
		if l.About != first.About {
			first, about = l, l.About
		}
		if l.LeftOut > 0 {
			fmt.Fprintf(&b, "| %s | %d | left out: it might take %v | | | | | |\n", about, l.N, l.LeftOut.Round(time.Second))
			continue
		}
		ratios := ""
		if l.N != first.N {
			ratios = strings.Join(l.ratios(first, func(s string) string { return "**" + s + "**" }), "; ")
		}
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f | %.1f | %.0f | %.3f | %s |\n", about, l.N, l.Wall, l.CPU, l.Allocs, l.Bytes, l.Command, ratios)
	}
	return b.Bytes()
}

// runGrowth is the command with -growth.
func (o options) runGrowth(ctx context.Context, stdout io.Writer) error {
	lines, err := o.growth(ctx, stdout)
	if err != nil || o.readme == "" {
		return err
	}
	return page.Insert(o.readme, "growth", growthMarkdown(lines))
}

// tempDir makes a folder for a job and returns what removes it.
func tempDir() (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp("", "ftpnat-lab-speed-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

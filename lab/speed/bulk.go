//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/bulk"
)

// bulkLine is a direction with what each contender took.
type bulkLine struct {
	Name  string
	Size  int64
	Costs []bulkCost // of bulk.Contenders

	// What ftpnat took beside the bare copy, pair by pair; zero where one of
	// the two failed.
	Wall, CPU spread
}

// bulkCost has medians.
type bulkCost struct {
	Wall, CPU float64 // seconds
	Memory    float64 // MiB; zero where it is not known
	Said      string  // why it failed, "" if it did not
}

// The places of the two that are paired.
const (
	bareCopy = iota
	ours
)

// spread is a median between its quartiles, which tell how well it is known.
type spread struct{ Low, Median, High float64 }

// spreadOf rounds outward: of few values the quartiles are the ends.
func spreadOf(values []float64) spread {
	slices.Sort(values)
	last := len(values) - 1
	return spread{values[last/4], values[last/2], values[last-last/4]}
}

// sealedPart is how much smaller transfers under TLS are: they cost the more.
const sealedPart = 4

// bulk measures all contenders in both directions, in the clear and under TLS,
// each direction's in turn.
func (o options) bulk(ctx context.Context, log io.Writer) ([]bulkLine, error) {
	var lines []bulkLine
	fmt.Fprintf(log, "\n%d MiB, and %d MiB over TLS, to and from a vsftpd on a plain link: seconds, seconds of CPU of the client, MiB of memory\n\n%-14s",
		o.size>>20, o.size/sealedPart>>20, "")
	for _, c := range bulk.Contenders() {
		fmt.Fprintf(log, "%-22s", c.Name)
	}
	fmt.Fprintln(log, "ftpnat to bare copy, pair by pair: time, CPU")
	for _, tls := range []bool{false, true} {
		on, err := o.bulkOn(ctx, tls, log)
		if err != nil {
			return nil, err
		}
		lines = append(lines, on...)
	}
	return lines, nil
}

func (o options) bulkOn(ctx context.Context, tls bool, log io.Writer) (lines []bulkLine, err error) {
	size := o.size
	if tls {
		size /= sealedPart
	}
	p, err := bulk.Build(ctx, size, tls)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	for _, upload := range []bool{false, true} {
		l, err := o.bulkLine(ctx, p, upload)
		if err != nil {
			return nil, err
		}
		if err := l.text(log); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// bulkLine measures a direction.
func (o options) bulkLine(ctx context.Context, p *bulk.Place, upload bool) (bulkLine, error) {
	all := bulk.Contenders()
	l := bulkLine{Name: bulkName(upload, p.TLS != nil), Size: p.Size, Costs: make([]bulkCost, len(all))}
	measured := make([][]bulk.Cost, len(all))
	for round := range o.bulkRepeats {
		for _, i := range turns(round, len(all)) {
			if l.Costs[i].Said != "" {
				continue
			}
			cost, err := all[i].Measure(ctx, p, upload)
			if ctx.Err() != nil {
				return l, ctx.Err()
			}
			measured[i] = append(measured[i], cost)
			l.Costs[i].Said = failure(err).Said
		}
	}
	for i := range l.Costs {
		l.Costs[i].settle(measured[i])
	}
	if l.Costs[bareCopy].Said == "" && l.Costs[ours].Said == "" {
		l.pair(measured[bareCopy], measured[ours])
	}
	return l, nil
}

// turns is the order of a round. The two that are paired follow upon each other,
// so that what the machine does meanwhile meets both alike, and are the first by
// turns.
func turns(round, n int) []int {
	var order []int
	for i := range n {
		order = append(order, i)
	}
	if round%2 == 1 {
		order[bareCopy], order[ours] = order[ours], order[bareCopy]
	}
	return order
}

func bulkName(upload, tls bool) string {
	name := "download"
	if upload {
		name = "upload"
	}
	if tls {
		name += ", TLS"
	}
	return name
}

func (c *bulkCost) settle(costs []bulk.Cost) {
	if c.Said != "" {
		return
	}
	c.Wall = median(costs, func(c bulk.Cost) float64 { return c.Wall.Seconds() })
	c.CPU = median(costs, func(c bulk.Cost) float64 { return c.CPU.Seconds() })
	c.Memory = median(costs, func(c bulk.Cost) float64 { return float64(c.Memory) / (1 << 20) })
}

// pair compares what the two took in each round.
func (l *bulkLine) pair(bare, own []bulk.Cost) {
	var wall, cpu []float64
	for i := range bare {
		wall = append(wall, own[i].Wall.Seconds()/bare[i].Wall.Seconds())
		cpu = append(cpu, own[i].CPU.Seconds()/bare[i].CPU.Seconds())
	}
	l.Wall, l.CPU = spreadOf(wall), spreadOf(cpu)
}

// text prints the line.
func (l bulkLine) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s", l.Name)
	for _, c := range l.Costs {
		text := fmt.Sprintf("%.2f %.3f %.1f", c.Wall, c.CPU, c.Memory)
		if c.Said != "" {
			text = "✗"
		}
		fmt.Fprintf(&b, "%-22s", text)
	}
	if l.Wall.Median > 0 {
		fmt.Fprintf(&b, "%v, %v", l.Wall, l.CPU)
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	for _, c := range l.Costs {
		if c.Said != "" {
			fmt.Fprintf(w, "  ✗ %s\n", c.Said)
		}
	}
	return err
}

// String returns the median and, in brackets, the quartiles.
func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Low, s.High) }

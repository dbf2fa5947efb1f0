//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ftpnat/ftpnat/lab/internal/bulk"
)

// bulkLine is a direction with what each contender took.
type bulkLine struct {
	Name  string
	Costs []bulkCost // of bulk.Contenders
}

// bulkCost has medians.
type bulkCost struct {
	Wall, CPU float64 // seconds
	Memory    float64 // MiB; zero where it is not known
	Said      string  // why it failed, "" if it did not
}

// bulk measures all contenders in both directions, in the clear and under TLS,
// each direction's in turn.
func (o options) bulk(ctx context.Context, log io.Writer) ([]bulkLine, error) {
	var lines []bulkLine
	fmt.Fprintf(log, "\n%d MiB to and from a vsftpd on a plain link: seconds, seconds of CPU of the client, MiB of memory\n\n%-14s", o.size>>20, "")
	for _, c := range bulk.Contenders() {
		fmt.Fprintf(log, "%-22s", c.Name)
	}
	fmt.Fprintln(log)
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
	p, err := bulk.Build(ctx, o.size, tls)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	for _, upload := range []bool{false, true} {
		l := bulkLine{Name: bulkName(upload, tls)}
		all := bulk.Contenders()
		l.Costs = make([]bulkCost, len(all))
		measured := make([][]bulk.Cost, len(all))
		for range o.bulkRepeats {
			for i, c := range all {
				if l.Costs[i].Said != "" {
					continue
				}
				cost, err := c.Measure(ctx, p, upload)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				measured[i] = append(measured[i], cost)
				l.Costs[i].Said = failure(err).Said
			}
		}
		for i := range l.Costs {
			l.Costs[i].settle(measured[i])
		}
		if err := l.text(log); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
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

// text prints the line.
func (l bulkLine) text(w io.Writer) error {
	fmt.Fprintf(w, "%-14s", l.Name)
	for _, c := range l.Costs {
		text := fmt.Sprintf("%.2f %.2f %.1f", c.Wall, c.CPU, c.Memory)
		if c.Said != "" {
			text = "✗"
		}
		fmt.Fprintf(w, "%-22s", text)
	}
	_, err := fmt.Fprintln(w)
	for _, c := range l.Costs {
		if c.Said != "" {
			fmt.Fprintf(w, "  ✗ %s\n", c.Said)
		}
	}
	return err
}

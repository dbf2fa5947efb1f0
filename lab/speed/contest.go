//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/lab/internal/trips"
)

// cell is what a client took for a row on a server.
type cell struct {
	Wall, Counted float64 // medians, in round trips
	Said          string  // why it failed, "" if it did not
	None          bool    // the client has no way of doing that
}

// line is a row on a server, with a cell for each client.
type line struct {
	Row    trips.Row
	Server servers.Kind
	Cells  []cell

	Transcript string // of the first client, if it is asked for
}

// sideBySide is how many servers are measured at a time. Everybody waits far
// more than they compute.
const sideBySide = 2

// contest measures all clients in all rows on all servers. What is compared is
// measured in turn, so that what the machine does meanwhile meets all alike.
func (o options) contest(ctx context.Context, log io.Writer) ([]line, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards lines and log
	var lines []line
	done := func(l line) error {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, l)
		return l.text(log)
	}
	var running sync.WaitGroup
	free := make(chan struct{}, sideBySide)
	for _, kind := range o.kinds {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			for _, tls := range []bool{false, true} {
				if err := o.contestOn(ctx, kind, tls, done); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(
			cmp.Compare(o.rank(a.Row), o.rank(b.Row)),
			cmp.Compare(slices.Index(o.kinds, a.Server), slices.Index(o.kinds, b.Server)),
		)
	})
	return lines, context.Cause(ctx)
}

// rank is the place of a row in the table.
func (o options) rank(row trips.Row) int {
	return slices.IndexFunc(o.rows, func(r trips.Row) bool { return r.Name == row.Name })
}

func (o options) contestOn(ctx context.Context, kind servers.Kind, tls bool, done func(line) error) (err error) {
	rows := slices.DeleteFunc(slices.Clone(o.rows), func(r trips.Row) bool { return r.TLS != tls || !r.On(kind) })
	if len(rows) == 0 || ctx.Err() != nil {
		return nil
	}
	p, err := trips.Build(ctx, kind, o.rtt, tls)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	for _, row := range rows {
		l := o.row(ctx, p, row)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := done(l); err != nil {
			return err
		}
	}
	return nil
}

// row measures a row on a server, each client once and then each again.
func (o options) row(ctx context.Context, p *trips.Place, row trips.Row) line {
	l := line{Row: row, Server: p.Kind, Cells: make([]cell, len(o.clients))}
	measured := make([][]trips.Figure, len(o.clients))
	for range o.repeats {
		for i, c := range o.clients {
			if l.Cells[i].None || l.Cells[i].Said != "" {
				continue
			}
			f, err := c.Measure(ctx, p, row)
			l.Cells[i] = failure(err)
			measured[i] = append(measured[i], f)
		}
	}
	for i := range l.Cells {
		l.Cells[i].settle(measured[i])
	}
	if o.transcript && len(measured[0]) > 0 {
		l.Transcript = measured[0][0].Transcript
	}
	return l
}

func failure(err error) cell {
	switch {
	case err == nil:
		return cell{}
	case errors.Is(err, trips.ErrNone):
		return cell{None: true}
	}
	said, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return cell{Said: cmp.Or(said, "nothing")}
}

// settle puts in the medians, if the client has not failed.
func (c *cell) settle(figures []trips.Figure) {
	if c.None || c.Said != "" {
		return
	}
	c.Wall = median(figures, func(f trips.Figure) float64 { return f.Wall })
	c.Counted = median(figures, func(f trips.Figure) float64 { return f.Counted })
}

// median is the lower one of an even number.
func median[T any](all []T, of func(T) float64) float64 {
	var values []float64
	for _, v := range all {
		values = append(values, of(v))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

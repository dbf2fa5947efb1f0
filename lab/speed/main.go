//go:build linux

// Command speed measures ftpnat beside other FTP clients: how many round trips
// each takes over a wire of a known length, and what bulk transfers cost beside
// a bare copy by the kernel.
//
//	sudo lab/compare/install.sh
//	sudo go run ./lab/speed -readme docs/performance.md
//	go run ./lab/speed -scale -readme docs/performance.md
//	go run ./lab/speed -growth -readme docs/performance.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
	"github.com/ftpnat/ftpnat/lab/internal/page"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/lab/internal/trips"
)

func main() {
	if !serveScale() && !serveGrowth() {
		cli.Main("speed", run)
	}
}

// options are the flags.
type options struct {
	rtt     time.Duration
	repeats int
	size    int64 // of a bulk transfer; zero means none

	bulkRepeats int
	quick       bool
	transcript  bool
	isScale     bool
	isGrowth    bool
	most        int           // files
	within      time.Duration // of -growth
	readme      string
	rows        []trips.Row
	kinds       []servers.Kind
	clients     []trips.Contender
}

func parse(args []string, output io.Writer) (o options, err error) {
	f := flag.NewFlagSet("speed", flag.ContinueOnError)
	f.SetOutput(output)
	var rows, kinds, clients string
	all := trips.Contenders()
	f.DurationVar(&o.rtt, "rtt", 50*time.Millisecond, "the round trip of the wire")
	f.IntVar(&o.repeats, "repeats", 3, "how often each is measured; the table has medians")
	f.IntVar(&o.bulkRepeats, "bulk-repeats", 11, "how often each bulk transfer is measured")
	mib := f.Int64("bulk", -1, "the `MiB` of a bulk transfer, 2048 unless -quick makes it 256, and a fourth of it over TLS; 0 leaves them out")
	f.BoolVar(&o.quick, "quick", false, "measure once, and bulk transfers thrice")
	f.BoolVar(&o.isScale, "scale", false, "measure what many small files cost on loopback, beside other clients, and nothing else; needs no root")
	f.BoolVar(&o.isGrowth, "growth", false, "measure how the cost of one grows with the number, on loopback, and nothing else; needs no root")
	f.IntVar(&o.most, "most", 100_000, "the most `files` of -growth, which go up to a million")
	f.DurationVar(&o.within, "within", 150*time.Second, "-growth leaves out what would take longer than is left of this")
	f.StringVar(&rows, "rows", "", "only the rows of these names, with commas: "+list(trips.Rows(), func(r trips.Row) string { return r.Name }))
	f.StringVar(&kinds, "servers", "", "only these servers: "+list(servers.Kinds(), func(k servers.Kind) string { return string(k) }))
	f.StringVar(&clients, "clients", "", "only these clients: "+list(all, func(c trips.Contender) string { return c.Name }))
	f.StringVar(&o.readme, "readme", "", "put charts and tables between the marks of this `page`, such as docs/performance.md; the charts are "+perFileChart+" and "+inAllChart+" beside it")
	f.BoolVar(&o.transcript, "transcript", false, "print ftpnat's dialogues, with the time of each line in round trips")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	normal := int64(2048)
	if o.quick {
		o.repeats, o.bulkRepeats, normal = 1, 3, 256
		if o.isScale {
			o.repeats = 3
		}
	}
	if *mib < 0 {
		*mib = normal
	}
	o.size = *mib << 20
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	case o.rtt <= 0 || o.repeats <= 0 || o.bulkRepeats <= 0 || o.most <= 0 || o.within <= 0:
		return o, errors.New("-rtt, -repeats, -bulk-repeats, -most and -within must be positive")
	}
	if o.rows, err = choose(rows, trips.Rows(), func(r trips.Row) string { return r.Name }); err != nil {
		return o, err
	}
	if o.kinds, err = choose(kinds, servers.Kinds(), func(k servers.Kind) string { return string(k) }); err != nil {
		return o, err
	}
	if o.clients, err = choose(clients, all, func(c trips.Contender) string { return c.Name }); err != nil {
		return o, err
	}
	if o.readme != "" && !o.isScale && !o.isGrowth {
		err = o.complete()
	}
	return o, err
}

func list[T any](all []T, name func(T) string) string {
	var names []string
	for _, v := range all {
		names = append(names, name(v))
	}
	return strings.Join(names, ",")
}

// choose returns those of all that are named in a list with commas; all if it
// is empty.
func choose[T any](names string, all []T, name func(T) string) ([]T, error) {
	if names == "" {
		return all, nil
	}
	var chosen []T
	for s := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(v T) bool { return name(v) == s })
		if i < 0 {
			return nil, fmt.Errorf("%q is none of %s", s, list(all, name))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if o.isGrowth {
		return o.runGrowth(ctx, stdout)
	}
	if o.isScale {
		return o.runScale(ctx, stdout)
	}
	return cli.InLab(ctx, func() error {
		r, err := o.measure(ctx, stdout)
		if err != nil || o.readme == "" {
			return err
		}
		return r.publish(o.readme)
	})
}

// measure measures everything and prints the tables while it goes.
func (o options) measure(ctx context.Context, stdout io.Writer) (r *report, err error) {
	r = &report{Date: time.Now().UTC(), System: page.System(), RTT: o.rtt, Repeats: o.repeats, Size: o.size, BulkRepeats: o.bulkRepeats}
	for _, c := range o.clients {
		p, err := peer.Identify(ctx, c.Name, c.Version)
		if err != nil {
			return nil, err
		}
		r.Clients = append(r.Clients, p)
	}
	if err := o.textHead(stdout); err != nil {
		return nil, err
	}
	if r.Lines, err = o.contest(ctx, stdout); err != nil || o.size == 0 {
		return r, err
	}
	r.Bulk, err = o.bulk(ctx, stdout)
	return r, err
}

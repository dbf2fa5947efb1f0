//go:build linux

// Command manners runs a suite of files - read, walk, upload, append, rename,
// remove, fetch, copy, odd names, interrupted transfers - on every FTP server
// of the laboratory in its odd configurations, and shows what works and what is
// refused with which error.
//
//	sudo lab/install.sh
//	sudo go run ./lab/manners -readme lab/README.md -docs docs/servers.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
	"github.com/ftpnat/ftpnat/lab/internal/page"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

func main() {
	servers.Main()
	child()
	cli.Main("manners", run)
}

// options are the flags.
type options struct {
	run     *regexp.Regexp
	readme  string
	docs    string
	list    bool
	verbose bool
}

func parse(args []string, output io.Writer) (o options, err error) {
	f := flag.NewFlagSet("manners", flag.ContinueOnError)
	f.SetOutput(output)
	f.StringVar(&o.readme, "readme", "", "put the table, and what is refused, between the marks of this `file`")
	f.StringVar(&o.docs, "docs", "", "put the table between the marks of this `file`")
	f.BoolVar(&o.list, "list", false, "list the servers and end")
	f.BoolVar(&o.verbose, "v", false, "print the dialogue of what went wrong")
	some := f.String("run", "", "run only servers whose name matches this `expression`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if (o.readme != "" || o.docs != "") && *some != "" {
		return o, errors.New("-readme and -docs show all servers, and -run some")
	}
	o.run, err = regexp.Compile(*some)
	return o, err
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if o.list {
		for _, r := range rows {
			fmt.Fprintf(stdout, "%s: %s\n", r.Name(), r.Odd)
		}
		return nil
	}
	if err := servers.MissingOthers(); err != nil {
		return fmt.Errorf("run lab/install.sh first: %w", err)
	}
	return cli.InLab(ctx, func() error { return o.show(ctx, stdout) })
}

// show runs the rows and prints, or writes, the table. It ends with an error if
// there is anything that the rows do not say.
func (o options) show(ctx context.Context, stdout io.Writer) error {
	chosen := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !o.run.MatchString(r.Name()) })
	all, err := runAll(ctx, chosen)
	if err != nil {
		return err
	}
	bad := 0
	for _, out := range all {
		bad += out.print(stdout, o.verbose)
	}
	if o.readme != "" {
		if err := page.Insert(o.readme, "manners", append(table(all), reasons(all)...)); err != nil {
			return err
		}
	}
	if o.docs != "" {
		if err := page.Insert(o.docs, "servers", table(all)); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d outcomes are not what the table says", bad)
	}
	return nil
}

// atOnce is the number of servers that run side by side: they wait more than they
// compute.
const atOnce = 4

// runAll runs rows and returns what they came to, in their order.
func runAll(ctx context.Context, rows []row) ([]*outcome, error) {
	all, errs := make([]*outcome, len(rows)), make([]error, len(rows))
	turns := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i, r := range rows {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			if ctx.Err() != nil {
				return
			}
			var err error
			if all[i], err = r.run(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", r.Name(), err)
			}
		})
	}
	group.Wait()
	return all, errors.Join(append(errs, ctx.Err())...)
}

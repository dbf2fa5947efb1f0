//go:build linux

// Command manners runs a suite of files - read, walk, upload, append, rename,
// remove, fetch, copy, odd names, interrupted transfers - on every FTP server
// of the laboratory in its odd configurations, and shows what works and what is
// refused with which error.
//
//	sudo lab/install.sh
//	sudo go run ./lab/manners -readme lab/README.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"

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
	list    bool
	verbose bool
}

func parse(args []string, output io.Writer) (o options, err error) {
	f := flag.NewFlagSet("manners", flag.ContinueOnError)
	f.SetOutput(output)
	f.StringVar(&o.readme, "readme", "", "put the table between the marks of this `file`")
	f.BoolVar(&o.list, "list", false, "list the servers and end")
	f.BoolVar(&o.verbose, "v", false, "print the dialogue of what went wrong")
	some := f.String("run", "", "run only servers whose name matches this `expression`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if o.readme != "" && *some != "" {
		return o, errors.New("-readme shows all servers, and -run some")
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
	var all []*outcome
	var bad int
	for _, r := range rows {
		if !o.run.MatchString(r.Name()) {
			continue
		}
		out, err := r.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		all = append(all, out)
		bad += out.print(stdout, o.verbose)
	}
	if o.readme != "" {
		if err := page.Insert(o.readme, "manners", markdown(all)); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d outcomes are not what the table says", bad)
	}
	return nil
}

// Fallback shows how ftpnat gets through: it lists a directory and reads a file
// over a path with obstacles, and prints the dialogue and each attempt to open
// a data connection as they happen.
//
// Without an argument it plays scenarios, with a server and a network of its
// own. With a URL it does the same with a real server:
//
//	go run ./examples/fallback
//	go run ./examples/fallback -scenario story-2006
//	go run ./examples/fallback -scenario story-2006 -svg docs/story-2006.svg
//	go run ./examples/fallback ftp://user:password@ftp.example.com/dir
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	out := &printer{w: os.Stdout, color: wantsColor(os.Stdout)}
	os.Exit(run(ctx, os.Args[1:], out, os.Stderr))
}

// The results of the program.
const (
	exitOK          = 0
	exitFailed      = 1 // a scenario or a server did not do what it should
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, out *printer, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "fallback: %v\n", err)
		return exitUsage
	case opts.list:
		list(out)
		return exitOK
	case opts.svg != "":
		err = drawChart(ctx, opts.chosen()[0], opts.svg)
	case opts.url != "":
		err = visitServer(ctx, out, opts)
	default:
		err = play(ctx, out, opts)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "fallback: interrupted")
		return exitInterrupted
	case err == errShown:
		return exitFailed
	case err != nil:
		fmt.Fprintf(stderr, "fallback: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// list prints the names of the scenarios.
func list(p *printer) {
	for _, s := range scenarios {
		p.line("%-16s  %s", s.name, s.title)
	}
}

// errShown stands for an error that is in the output already.
var errShown = errors.New("see above")

// visitServer visits the server of a URL.
func visitServer(ctx context.Context, p *printer, opts *options) error {
	detail := *p
	if opts.quiet {
		detail.w = io.Discard
	}
	o := visit(ctx, &detail, "", opts.set, opts.set.dialer(), opts.url)
	p.verdict(o)
	if o.err != nil && !opts.quiet {
		return errShown
	}
	return o.err
}

// play plays the scenarios, one after the other, and sums them up.
func play(ctx context.Context, p *printer, opts *options) error {
	chosen := opts.chosen()
	detail := *p
	if opts.quiet {
		detail.w = io.Discard
		p.summaryHead()
	}
	var outcomes []outcome
	var errs []error
	for i, s := range chosen {
		detail.title(fmt.Sprintf("%d/%d", i+1, len(chosen)), s)
		detail.path(s)
		o, err := playOne(ctx, &detail, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		outcomes, errs = append(outcomes, o), append(errs, err)
		if opts.quiet {
			p.summaryRow(o, err)
		}
	}
	if !opts.quiet {
		p.summaryHead()
		for i, o := range outcomes {
			p.summaryRow(o, errs[i])
		}
	}
	return errors.Join(errs...)
}

// playOne plays one scenario. The error says that it did not end as it should.
func playOne(ctx context.Context, p *printer, s scenario) (outcome, error) {
	st, err := setUp(ctx, s)
	if err != nil {
		return outcome{name: s.name, err: err}, err
	}
	defer st.close()
	o := visit(ctx, p, s.name, s.set, st.dialer, demoURL)
	p.verdict(o)
	return o, o.check(s.want)
}

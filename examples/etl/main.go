// Etl loads CSV files from an FTP server into an SQLite database.
//
// Files are streamed: CSV, or CSV in gzip, from the data connection through the
// parser into one transaction a file, in constant memory. The table loads has a
// row for each file, with its size, time, hash and number of rows, written in
// the same transaction: a file is loaded once, whatever interrupts the program,
// and again only when it has changed on the server, or was so young that a change
// might not show in its size and time. Lines that cannot be loaded are kept in
// the table rejects, with the reason.
//
// Without an argument it shows all that with a server of its own:
//
//	go run ./examples/etl
//	go run ./examples/etl -table orders -columns day:date,id:integer,customer,amount:real ftp://user:password@ftp.example.com/out orders.db
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

	"github.com/ftpnat/ftpnat"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	out := &printer{w: os.Stdout, live: isTerminal(os.Stdout)}
	os.Exit(run(ctx, os.Args[1:], out, os.Stderr))
}

// The results of the program.
const (
	exitOK          = 0
	exitFailed      = 1 // not every file is in the database
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// errIncomplete says that a list of what went wrong has been printed.
var errIncomplete = errors.New("not every file is in the database")

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, out *printer, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "etl: %v\n", err)
		return exitUsage
	case opts.url == "":
		err = demo(ctx, out)
	default:
		err = load(ctx, opts, &ftpnat.Dialer{RetryFor: opts.retry}, out)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "etl: interrupted; the same command goes on from here")
		return exitInterrupted
	case errors.Is(err, errIncomplete):
		return exitFailed
	case err != nil:
		fmt.Fprintf(stderr, "etl: %v\n", err)
		return exitFailed
	}
	return exitOK
}

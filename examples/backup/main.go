// Backup copies a tree from an FTP server into a folder, a tar or a zip file.
//
// A second run reads what is new or changed, by size and time, and what was so
// young that a change might not show: some servers tell the minute and no
// seconds. What breaks off, or is interrupted with Ctrl-C, goes on where it
// stopped when the same command is given again. A manifest in JSON has the
// SHA-256 of every file, and -verify checks the files against it. What could not
// be read is listed, and makes the exit code 1.
//
// Links are never followed. The manifest says where they point, and an archive
// has them as links; in a folder none is made. What the server lost is kept,
// unless -delete is given.
//
// Without an argument it shows all that with a server of its own:
//
//	go run ./examples/backup
//	go run ./examples/backup ftp://user:password@ftp.example.com/dir site
//	go run ./examples/backup ftp://user:password@ftp.example.com/dir site.zip
//	go run ./examples/backup -verify site
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
	exitFailed      = 1 // something is missing from the backup, or damaged
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// errIncomplete says that a list of what went wrong has been printed.
var errIncomplete = errors.New("the backup is not complete")

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, out *printer, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "backup: %v\n", err)
		return exitUsage
	case opts.target == "":
		err = demo(ctx, out)
	default:
		out.verbose = opts.verbose
		err = do(ctx, opts, &ftpnat.Dialer{RetryFor: opts.retry, MaxConns: opts.jobs}, out)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "backup: interrupted; the same command goes on from here")
		return exitInterrupted
	case errors.Is(err, errIncomplete):
		return exitFailed
	case err != nil:
		fmt.Fprintf(stderr, "backup: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// do makes a backup, or verifies one where there is no URL.
func do(ctx context.Context, opts *options, d *ftpnat.Dialer, out *printer) error {
	v, err := openVault(opts.target, opts.url != "")
	if err != nil {
		return err
	}
	defer v.close()
	if opts.url == "" {
		return verify(ctx, v, out)
	}
	return backup(ctx, v, opts, d, out)
}

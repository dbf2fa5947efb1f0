// Fallback shows how ftpnat gets through: it lists a directory and reads a file
// over a path with obstacles, and prints the dialogue and each attempt to open
// a data connection as they happen.
//
// Without an argument it plays scenarios with a server and a network of its
// own, and needs neither. With a URL it does the same with a real server:
//
//	go run ./examples/fallback
//	go run ./examples/fallback -scenario story-2006
//	go run ./examples/fallback ftp://user:password@ftp.example.com/dir
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], &printer{w: os.Stdout, color: wantsColor(os.Stdout)}, os.Stderr))
}

// The results of the program.
const (
	exitOK    = 0
	exitError = 1 // a scenario or a server did not do what it should
	exitUsage = 2
)

// run is the program, and returns its exit code.
func run(ctx context.Context, args []string, p *printer, stderr *os.File) int {
	return exitOK
}

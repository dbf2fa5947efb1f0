// Ftpnat is an FTP client for the terminal and for scripts that gets through
// NATs, firewalls and TLS by itself, and says what to do where nothing does.
//
//	ftpnat ls ftp.example.com/pub
//	ftpnat get ftp://joe@ftp.example.com/reports/2026-11.csv
//	ftpnat mirror --delete ./site ftpes://joe@ftp.example.com/www
//	ftpnat probe ftp.example.com
//
// "ftpnat help" lists the commands, and "ftpnat help exit-codes" the exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, newSystem(), os.Args[1:]))
}

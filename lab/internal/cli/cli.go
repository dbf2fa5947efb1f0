//go:build linux

// Package cli has what the laboratory's commands have in common.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// Main is the main function of the command of that name, which may run itself
// as a client. An interrupt ends the context.
func Main(name string, run func(ctx context.Context, args []string, stdout io.Writer) error) {
	client.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Ready says why this machine cannot run the laboratory. It is nil if it can.
func Ready() error {
	if err := netns.Check(); err != nil {
		return err
	}
	if err := servers.Missing(); err != nil {
		return fmt.Errorf("run lab/install.sh first: %w", err)
	}
	return nil
}

// InLab calls do where the laboratory can run, and leaves nothing of it behind:
// neither of this run nor of one that was killed.
func InLab(ctx context.Context, do func() error) (err error) {
	if err := Ready(); err != nil {
		return err
	}
	if _, err := netns.Sweep(ctx); err != nil {
		return err
	}
	defer func() {
		_, closeErr := netns.Close(context.WithoutCancel(ctx))
		err = errors.Join(err, closeErr)
	}()
	return do()
}

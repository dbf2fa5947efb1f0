//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// parallel is how many clients run at a time. They wait far more than they
// compute.
const parallel = 6

// contest lets every contender loose on every path. It hands over the rows in
// order, each as soon as it and those before it are there.
func contest(ctx context.Context, ps []paths.Path, cs []contender, limit time.Duration, done func([]cell) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rows := make([][]cell, len(ps))
	pending := make([]sync.WaitGroup, len(ps))
	free := make(chan struct{}, parallel)
	for i := range ps {
		rows[i] = make([]cell, len(cs))
		pending[i].Add(len(cs))
	}
	go func() {
		for i, p := range ps {
			for j, c := range cs {
				free <- struct{}{}
				go func() {
					defer func() { <-free; pending[i].Done() }()
					var err error
					if rows[i][j], err = play(ctx, p, c, limit); err != nil {
						cancel(fmt.Errorf("%s on %s: %w", c.name(), p.Name, err))
					}
				}()
			}
		}
	}()
	var errs []error
	for i := range ps {
		pending[i].Wait()
		if ctx.Err() == nil {
			errs = append(errs, done(rows[i]))
		}
	}
	return errors.Join(append(errs, context.Cause(ctx))...)
}

// play runs one client on a path that is built for it alone: what one client
// leaves behind in a router or a server is not to trouble another. The error is
// about the laboratory.
func play(ctx context.Context, p paths.Path, c contender, limit time.Duration) (_ cell, err error) {
	if ctx.Err() != nil {
		return cell{}, ctx.Err()
	}
	folder, err := os.MkdirTemp("", "ftpnat-lab-compare-")
	if err != nil {
		return cell{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.WriteFile(filepath.Join(folder, paths.Upload), client.Payload(paths.UploadSeed, paths.Size), 0o600); err != nil {
		return cell{}, err
	}
	l, err := paths.Build(ctx, p, servers.Vsftpd)
	if err != nil {
		return cell{}, err
	}
	defer func() { err = errors.Join(err, l.Close(context.WithoutCancel(ctx))) }()
	return judge(ctx, l, c, folder, limit)
}

func judge(ctx context.Context, l *paths.Place, c contender, folder string, limit time.Duration) (cell, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	s, err := c.transfer(bounded, l, folder)
	r := cell{Elapsed: time.Since(start)}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if bounded.Err() != nil {
		r.Elapsed, r.Endless = limit, true
		return r, nil
	}
	if err == nil {
		err = l.Check(s.names, s.downloaded)
	}
	if err != nil {
		r.Said = cmp.Or(firstLine(err.Error()), "nothing")
	}
	return r, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// remaining is the time until ctx ends.
func remaining(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

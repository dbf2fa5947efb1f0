package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat"
)

// An outcome is what became of a visit to a server.
type outcome struct {
	name       string
	attempts   []ftpnat.Attempt // of all transfers
	reconnects int
	elapsed    time.Duration
	err        error
}

// first returns the attempts of the first transfer.
func (o outcome) first() []ftpnat.Attempt {
	for i, a := range o.attempts {
		if a.Cause == ftpnat.OK {
			return o.attempts[:i+1]
		}
	}
	return o.attempts
}

// mode returns the mode that opened the last data connection, and zero if none
// could be opened.
func (o outcome) mode() ftpnat.Mode {
	if n := len(o.attempts); n > 0 && o.attempts[n-1].Cause == ftpnat.OK {
		return o.attempts[n-1].Mode
	}
	return 0
}

// check compares the outcome with what a scenario promises.
func (o outcome) check(want ftpnat.Mode) error {
	if want != 0 {
		if o.err == nil && o.mode() != want {
			return fmt.Errorf("%s: %v works, and %v was expected to", o.name, o.mode(), want)
		}
		return o.err
	}
	var e *ftpnat.NegotiateError
	switch {
	case o.err == nil:
		return fmt.Errorf("%s: %v works where nothing was expected to", o.name, o.mode())
	case !errors.As(o.err, &e):
		return o.err
	case len(e.Advice()) == 0:
		return fmt.Errorf("%s: the error has no advice: %w", o.name, o.err)
	}
	return nil
}

// count returns hooks that keep what the summary needs.
func (o *outcome) count() *ftpnat.Trace {
	connections := 0
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			if e.Err == nil {
				connections++
				o.reconnects = connections - 1
			}
		},
		Attempt: func(a ftpnat.Attempt) { o.attempts = append(o.attempts, a) },
	}
}

// visit opens a server, lists a directory and reads a small file, as any
// program would, and prints what happens meanwhile.
func visit(ctx context.Context, p *printer, name string, s settings, d *ftpnat.Dialer, rawURL string) outcome {
	o := outcome{name: name}
	p.start = time.Now()
	ctx = ftpnat.WithTrace(ftpnat.WithTrace(ctx, p.trace()), o.count())
	o.err = read(ctx, p, s, d, rawURL)
	o.elapsed = time.Since(p.start)
	if o.err != nil {
		p.failure(o.err)
	}
	return o
}

func read(ctx context.Context, p *printer, s settings, d *ftpnat.Dialer, rawURL string) error {
	if s.String() == "" {
		p.code("fsys, err := ftpnat.Open(ctx, %q)", redacted(rawURL))
	} else {
		p.code("d := ftpnat.Dialer{%s}", s)
		p.code("fsys, err := d.Open(ctx, %q)", redacted(rawURL))
	}
	fsys, err := d.Open(ctx, rawURL)
	if err != nil {
		return err
	}
	defer fsys.Close()
	fsys = fsys.WithContext(ctx)
	p.line("")

	p.code("entries, err := fs.ReadDir(fsys, %q)", ".")
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	p.listing(entries)

	file := smallest(entries)
	if file == "" {
		return nil
	}
	p.code("data, err := fs.ReadFile(fsys, %q)", file)
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return err
	}
	p.text(data)
	return nil
}

// smallest returns the name of the smallest file that has something in it, or
// nothing if there is none that is quickly read.
func smallest(entries []fs.DirEntry) string {
	const most = 64 << 10
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Size() > 0 && info.Size() <= most {
			files = append(files, info)
		}
	}
	if len(files) == 0 {
		return ""
	}
	return slices.MinFunc(files, func(a, b fs.FileInfo) int { return cmp.Compare(a.Size(), b.Size()) }).Name()
}

// redacted returns a URL as it may be shown.
func redacted(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "..."
	}
	return u.Redacted()
}

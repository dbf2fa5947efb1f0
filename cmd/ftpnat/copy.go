package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat"
)

// carrier copies files between a local directory and a directory of a server.
type carrier struct {
	app      *app
	fsys     *ftpnat.FS
	remote   string // the directory on the server
	local    *os.Root
	progress *progress

	localName string // of the one file that has another name on the server; else empty
}

// here is a file's local name.
func (c *carrier) here(name string) (string, error) {
	if c.localName != "" {
		return filepath.FromSlash(c.localName), nil
	}
	return filepath.Localize(name)
}

// on is a file's name on the server.
func (c *carrier) on(name string) string { return path.Join(c.remote, name) }

// fetch brings one file down. It appears under its name when it is complete; what
// has come by then stays beside it under another name, for the next run.
func (c *carrier) fetch(e entry) (err error) {
	name, err := c.here(e.name)
	if err != nil {
		return localWrite(fmt.Errorf("%s: this system cannot have a file of that name", printable(e.name)))
	}
	part := partName(filepath.ToSlash(name))
	dst, err := c.local.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return localWrite(err)
	}
	from := resumeAt(dst, e)
	c.progress.begin(c.on(e.name), from)
	err = c.receive(dst, e, from)
	size, keep := sizeOf(dst), !e.time.IsZero()
	if cerr := dst.Close(); err == nil {
		err = localWrite(cerr)
	}
	if !e.time.IsZero() {
		_ = c.local.Chtimes(part, e.time, e.time)
	}
	if err == nil {
		err = localWrite(c.local.Rename(part, name))
	}
	if err != nil && (!keep || size == 0) {
		_ = c.local.Remove(part)
	}
	c.progress.end(c.on(e.name), err == nil)
	return err
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// resumeAt returns how much of a file an earlier run has left: nothing unless
// the file on the server is still of that time.
func resumeAt(part *os.File, e entry) int64 {
	info, err := part.Stat()
	if err != nil || e.time.IsZero() || info.Size() > e.size {
		return 0
	}
	if diff := info.ModTime().Sub(e.time); diff > 2*time.Second || diff < -2*time.Second {
		return 0
	}
	return info.Size()
}

// overlap is how many bytes that are there already are fetched once more, to be
// compared.
const overlap = 4096

// receive writes a file of the server into dst, from a position on.
func (c *carrier) receive(dst *os.File, e entry, from int64) error {
	f, err := c.fsys.Open(c.on(e.name))
	if err != nil {
		return err
	}
	defer f.Close()
	if from > 0 {
		if from, err = rejoin(dst, f.(io.ReadSeeker), from); err != nil {
			return err
		}
	}
	if err := dst.Truncate(from); err != nil {
		return localWrite(err)
	}
	if _, err := dst.Seek(from, io.SeekStart); err != nil {
		return localWrite(err)
	}
	// The file is given as it is, so that the kernel can do the copying.
	_, err = io.Copy(dst, f)
	if diskFault(err) {
		return localWrite(err)
	}
	return err
}

// diskFault reports whether an error of a copy is the local disk's.
func diskFault(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EFBIG, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// rejoin moves src to where dst goes on, and returns that position: zero if the
// bytes before it are not the same on both sides.
func rejoin(dst *os.File, src io.ReadSeeker, from int64) (int64, error) {
	n := min(from, overlap)
	ours, theirs := make([]byte, n), make([]byte, n)
	if _, err := dst.ReadAt(ours, from-n); err != nil {
		return 0, localRead(err)
	}
	if _, err := src.Seek(from-n, io.SeekStart); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(src, theirs); err != nil && !isEOF(err) {
		return 0, err
	}
	if bytes.Equal(ours, theirs) {
		return from, nil
	}
	_, err := src.Seek(0, io.SeekStart)
	return 0, err
}

// localReader remembers an error of its own side.
type localReader struct {
	r   io.Reader
	err error
}

func (l *localReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// interruptible returns a reader of r whose reads end with ctx. One of standard
// input cannot be interrupted: the goroutine is left behind then, and ends with
// the program.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, r)
		_ = pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pr.CloseWithError(ctx.Err()) })
	return ended{ctx, pr}
}

// ended gives the context's error in place of the pipe's.
type ended struct {
	ctx context.Context
	r   io.Reader
}

func (e ended) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && e.ctx.Err() != nil {
		err = e.ctx.Err()
	}
	return n, err
}

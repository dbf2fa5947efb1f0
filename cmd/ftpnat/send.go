package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/ftpnat/ftpnat"
)

// send brings one file up. It appears under its name when it is complete, and has
// the time of the local one if the server can set it.
func (c *carrier) send(ctx context.Context, e entry) (err error) {
	name, err := c.here(e.name)
	if err != nil {
		return localRead(err)
	}
	src, err := c.local.Open(name)
	if err != nil {
		return localRead(err)
	}
	defer src.Close()
	err = errNoPart
	if e.size >= partLeast && !e.time.IsZero() {
		err = c.sendPart(ctx, src, e)
	}
	if errors.Is(err, errNoPart) {
		c.progress.begin(c.on(e.name), 0)
		_, err = c.fsys.Upload(c.on(e.name), src)
		c.progress.end(c.on(e.name), err == nil)
	}
	if err == nil {
		err = c.fsys.Chtimes(c.on(e.name), time.Time{}, e.time)
		if errors.Is(err, errors.ErrUnsupported) || wasRefused(err) {
			err = nil // the file is right all the same
		}
	}
	return err
}

// wasRefused reports whether a server has refused something.
func wasRefused(err error) bool {
	var r *ftpnat.ReplyError
	return errors.As(err, &r)
}

// partLeast is the size in bytes from which on a file is sent under a name that
// the next run finds again. Smaller ones are sent from their start.
const partLeast = 4_000_000

// errNoPart says that the server does not let a file be sent in parts.
var errNoPart = errors.New("not sent in parts")

// uploadPart is the name of a file on the server until it is complete. A file of
// another size or time has another one: what is there is never taken for a part
// of that.
func (c *carrier) uploadPart(e entry) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", e.size, e.time.UnixNano()))
	dir, base := path.Split(c.on(e.name))
	return partName(dir + base + "." + hex.EncodeToString(sum[:4]))
}

// sendPart sends a large file from where an earlier run, or a connection that
// broke, has left it. The error is errNoPart if the server refuses any of that.
func (c *carrier) sendPart(ctx context.Context, src *os.File, e entry) (err error) {
	part := c.uploadPart(e)
	defer func() { c.progress.end(part, err == nil) }()
	best, fruitless := int64(-2), 0
	begin := c.progress.begin
	for {
		from, err := c.sendFrom(ctx, part, src, e.size, begin)
		begin = c.progress.goOn
		if err == nil {
			if err = c.replace(part, c.on(e.name)); err != nil {
				return c.givePartUp(ctx, part, from, err)
			}
			return nil
		}
		if from > best {
			best, fruitless = from, 0
		}
		fruitless++
		switch {
		case ctx.Err() != nil:
			return err
		case c.app.never(c.app.root.PersistentFlags()) || fruitless == 3 || !ftpnat.Retryable(err):
			return c.givePartUp(ctx, part, from, err)
		}
	}
}

// givePartUp removes a part that cannot be gone on with. It stays if a connection
// is all that was missing. from is as sendFrom returns it.
func (c *carrier) givePartUp(ctx context.Context, part string, from int64, err error) error {
	useless := false
	switch codeOf(err) {
	case codeNotFound, codeLogin:
		return err
	case codeFull:
	case codeAccess, codeRefused, codeExists:
		useless = true
	default:
		useless = errors.Is(err, ftpnat.ErrMismatch) || errors.Is(err, errDiffers) || errors.Is(err, errors.ErrUnsupported) ||
			!ftpnat.Retryable(err) && wasRefused(err)
		if !useless {
			return err
		}
	}
	if from >= 0 {
		c.drop(ctx, part)
	}
	if useless {
		return errNoPart
	}
	return err
}

// sendFrom sends what is missing of a part, and returns how much was there, or -1
// if the server does not tell. It returns nil if all of the file is there.
func (c *carrier) sendFrom(ctx context.Context, part string, src *os.File, size int64, begin func(string, int64)) (from int64, err error) {
	if from, err = c.uploaded(part, src, size); err != nil {
		return from, err
	}
	begin(part, from)
	if from < size {
		if err := c.sendRest(part, src, from); err != nil {
			return from, err
		}
	}
	return from, c.proveUpload(ctx, part, src, size)
}

// sendRest writes a file from a position on.
func (c *carrier) sendRest(part string, src *os.File, from int64) error {
	if _, err := src.Seek(from, io.SeekStart); err != nil {
		return localRead(err)
	}
	create := c.fsys.Create
	if from > 0 {
		create = c.fsys.Append
	}
	f, err := create(part)
	if err != nil {
		return err
	}
	// The file is given as it is, so that the kernel can do the copying.
	_, err = io.Copy(f, src)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// uploaded returns how much of a file is on the server: nothing unless the end of
// that is what the file has there.
func (c *carrier) uploaded(part string, src *os.File, size int64) (int64, error) {
	f, err := c.fsys.Open(part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return -1, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	from := info.Size()
	if from == 0 || from > size {
		return 0, nil
	}
	n := min(from, overlap)
	ours, theirs := make([]byte, n), make([]byte, n)
	if _, err := src.ReadAt(ours, from-n); err != nil {
		return 0, localRead(err)
	}
	if _, err := f.(io.ReaderAt).ReadAt(theirs, from-n); err != nil && !isEOF(err) {
		return 0, err
	}
	if !bytes.Equal(ours, theirs) {
		return 0, nil
	}
	return from, nil
}

// proveUpload compares the size, and the server's own hash if it computes any. The
// session of a run that was interrupted may have written on until a moment ago,
// so that what was appended stands in the wrong place: the size tells that.
func (c *carrier) proveUpload(ctx context.Context, part string, src *os.File, size int64) error {
	info, err := c.fsys.WithContext(ctx).Stat(part)
	switch {
	case err != nil:
		return err
	case info.Size() != size:
		return errDiffers
	}
	sum, h, err := serverHash(c.fsys.WithContext(ctx), part)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	}
	if _, err := io.Copy(h, io.NewSectionReader(src, 0, 1<<62)); err != nil {
		return localRead(err)
	}
	if !bytes.Equal(sum, h.Sum(nil)) {
		return errDiffers
	}
	return nil
}

// sendStream writes what r gives to a file that appears when it is complete.
func (c *carrier) sendStream(ctx context.Context, t target, r io.Reader) error {
	f, err := c.fsys.CreateAtomic(t.name)
	if err != nil {
		return err
	}
	c.progress.begin(t.name, 0)
	src := &localReader{r: interruptible(ctx, r)}
	_, err = io.Copy(f, src)
	if err != nil {
		_ = f.Abort()
	} else {
		err = f.Close()
	}
	c.progress.end(t.name, err == nil)
	if src.err != nil && ctx.Err() == nil {
		return localRead(src.err)
	}
	return err
}

// drop removes what cannot be gone on with.
func (c *carrier) drop(ctx context.Context, part string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	if err := c.fsys.WithContext(ctx).Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.app.warn("%s may still be on the server: %s", printable(part), oneLine(err))
	}
}

// cleanLimit is how long the removal of what is half done may take.
const cleanLimit = 5 * time.Second

// replace renames, on servers too that do not rename over a file.
func (c *carrier) replace(temp, name string) error {
	err := c.fsys.Rename(temp, name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := c.fsys.Remove(name); err != nil {
		return err
	}
	return c.fsys.Rename(temp, name)
}

package ftpnat

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Upload writes a file that appears under its name only when it is whole: what
// src holds, from its start to its end, is written under a temporary name in
// the same directory, and renamed when the server has confirmed it and its
// size is right; where the server can hash files, its hash too. A connection
// that breaks is replaced and the upload resumed. It returns the size.
//
// A file that has the name is replaced. Where the server refuses to rename
// over a file, that is moved out of the way first and removed when the new one
// is in its place, and put back when that fails. On an error the temporary
// file is removed where the server can be reached.
func (f *FS) Upload(name string, src io.ReadSeeker) (int64, error) {
	if !validName(name) || name == "." {
		return 0, &fs.PathError{Op: "upload", Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.p.join(f.ctx)
	defer cancel(nil)
	u := &upload{fs: f, src: src, name: name, to: f.path(name), temp: tempName(f.path(name), "part")}
	n, err := u.run(ctx)
	if err = ended(ctx, err); err != nil {
		return n, &fs.PathError{Op: "upload", Path: name, Err: err}
	}
	return n, nil
}

// tempName returns a name in the same directory that nobody has.
func tempName(name, what string) string {
	dir, base := split(name)
	if dir != "" {
		dir += "/"
	}
	// File systems end names at 255 bytes.
	const most = 200
	if len(base) > most {
		base = base[:most]
	}
	return dir + "." + base + "." + strings.ToLower(rand.Text()[:8]) + "." + what
}

// upload is one Upload.
type upload struct {
	fs   *FS
	src  io.ReadSeeker
	name string // in the FS
	to   string // in the pool's directory, as is temp
	temp string
	size int64
	made bool // the temporary file may be there

	verified bool
	asked    bool   // RNTO may have been sent
	old      string // where the file that is replaced was moved to
}

func (u *upload) run(ctx context.Context) (int64, error) {
	size, err := u.src.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	u.size = size
	err = u.send(ctx)
	if err == nil {
		err = u.fs.p.cfg.insist(ctx, func() error { return u.with(ctx, u.finish) })
	}
	if err != nil {
		u.clean(ctx)
		return 0, err
	}
	return size, nil
}

// with calls fn with a connection.
func (u *upload) with(ctx context.Context, fn func(context.Context, *lease) error) error {
	ls, err := u.fs.p.acquire(ctx)
	if err != nil {
		return err
	}
	defer ls.release()
	return fn(ctx, ls)
}

// send brings all bytes to the temporary file, in as many transfers as that
// takes.
func (u *upload) send(ctx context.Context) error {
	var pace backoff.BackOff
	from := int64(0)
	for {
		had := from
		err := u.sendFrom(ctx, from)
		if fin, ok := err.(final); ok {
			return fin.error
		}
		if err == nil || !retryable(err) {
			return contextual(ctx, err)
		}
		have, herr := u.have(ctx)
		if herr != nil {
			return errors.Join(err, herr)
		}
		from = have
		if pace == nil || from > had {
			pace = u.fs.p.cfg.pace()
		}
		if !pause(ctx, pace) {
			return contextual(ctx, err)
		}
	}
}

// have returns how many bytes the server has; zero to start anew.
func (u *upload) have(ctx context.Context) (n int64, err error) {
	err = u.with(ctx, func(ctx context.Context, ls *lease) error {
		n, err = ls.size(ctx, u.temp)
		return err
	})
	if n < 0 || n > u.size {
		n = 0
	}
	return n, contextual(ctx, err)
}

// sendFrom sends what is left in one transfer.
func (u *upload) sendFrom(ctx context.Context, from int64) error {
	if _, err := u.src.Seek(from, io.SeekStart); err != nil {
		return final{err}
	}
	s := &sink{fs: u.fs, name: u.name, at: u.temp, total: u.size, base: from, resumed: from > 0}
	u.made = true
	if _, err := s.readFrom(ctx, u.src); err != nil {
		if s.err != nil {
			return err
		}
		s.abort(ctx)
		return final{err}
	}
	if err := s.close(ctx); err != nil {
		return err
	}
	if s.size() != u.size {
		return final{fmt.Errorf("the source had %d bytes, and then %d", u.size, s.size())}
	}
	return nil
}

// finish verifies the temporary file and gives it its name. A break does not
// tell whether a rename was carried out: the names on the server do.
func (u *upload) finish(ctx context.Context, ls *lease) error {
	defer ls.p.server.changed()
	if u.asked {
		there, err := ls.exists(ctx, u.temp)
		if err != nil {
			return err
		}
		if !there {
			// Nobody else knows the name: it was our rename.
			return u.tidy(ctx, ls)
		}
	}
	if err := u.verify(ctx, ls); err != nil {
		return err
	}
	u.asked = true
	err := ls.rename(ctx, u.temp, u.to)
	if errors.Is(err, fs.ErrExist) && u.old == "" {
		err = u.replace(ctx, ls)
	}
	if err != nil {
		return err
	}
	return u.tidy(ctx, ls)
}

// replace is for servers that do not rename over a file.
func (u *upload) replace(ctx context.Context, ls *lease) error {
	u.old = tempName(u.to, "old")
	if err := ls.rename(ctx, u.to, u.old); err != nil {
		return fmt.Errorf("the server does not rename over a file, and the one there cannot be moved: %w", err)
	}
	err := ls.rename(ctx, u.temp, u.to)
	if err == nil || !refusedAt(err) {
		return err
	}
	if back := ls.rename(ctx, u.old, u.to); back != nil {
		return errors.Join(err, back)
	}
	u.old = ""
	return err
}

// putBack gives the file that was to be replaced its name again, where a break
// came between: the new one may be in its place all the same.
func (u *upload) putBack(ctx context.Context, ls *lease) {
	if u.old == "" {
		return
	}
	there, err := ls.exists(ctx, u.to)
	if err == nil && !there {
		err = ls.rename(ctx, u.old, u.to)
	}
	if err != nil {
		ls.l.note("the file that was to be replaced may be found as %s: %v", u.old, err)
	}
}

// tidy removes the file that was replaced.
func (u *upload) tidy(ctx context.Context, ls *lease) error {
	u.made = false
	if u.old == "" {
		return nil
	}
	if err := ls.command(ctx, "DELE", u.old); err != nil {
		ls.l.note("the file that was replaced may still be there as %s: %v", u.old, err)
	}
	return nil
}

// verify compares the hash where the server tells one. The size was compared
// when the file was closed.
func (u *upload) verify(ctx context.Context, ls *lease) error {
	if u.verified {
		return nil
	}
	theirs, ok, err := ls.digest(ctx, u.temp)
	if err != nil || !ok {
		return err
	}
	if _, err := u.src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	ours := theirs.algorithm.make()
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	if _, err := io.CopyBuffer(ours, struct{ io.Reader }{u.src}, *buf); err != nil {
		return err
	}
	if sum := hex.EncodeToString(ours.Sum(nil)); !strings.EqualFold(sum, theirs.sum) {
		return fmt.Errorf("%w: its %s is %s, and that of the source %s", ErrMismatch, theirs.algorithm.name, theirs.sum, sum)
	}
	u.verified = true
	return nil
}

// cleanLimit is how long the removal of a temporary file may take when the
// caller's context has ended.
const cleanLimit = 5 * time.Second

// clean removes the temporary file, and sees to the one that it was to replace.
func (u *upload) clean(ctx context.Context) {
	if !u.made {
		return
	}
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	err := u.with(cctx, func(ctx context.Context, ls *lease) error {
		defer ls.p.server.changed()
		u.putBack(ctx, ls)
		return ls.command(ctx, "DELE", u.temp)
	})
	if err != nil {
		if note := traceOf(ctx).Note; note != nil {
			note(fmt.Sprintf("the temporary file %s could not be removed: %v", u.temp, err))
		}
	}
}

package stream

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

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Upload writes what src holds, from its start to its end, to a temporary name
// in the directory of to, and renames it when the server has confirmed it: its
// size, and its hash if the server tells one. A connection that breaks is
// replaced and the upload resumed. It returns the size.
//
// If the server refuses to rename over a file, that is moved away first, and
// removed afterwards, or put back if the rename fails. On an error the temporary
// file is removed if the server can be reached.
func (f Files) Upload(ctx context.Context, to Target, src io.ReadSeeker) (int64, error) {
	size, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	to.Total = size
	u := &upload{files: f, src: src, to: to, size: size, temp: tempName(to.Path, "part")}
	err = u.send(ctx)
	if err == nil {
		err = retry.Do(ctx, f.RetryFor, func() error {
			return f.With(ctx, func(s *remote.Session) error { return u.finish(ctx, s) })
		})
	}
	if err != nil {
		u.clean(ctx)
		var source *SourceError
		if errors.As(err, &source) {
			err = source.Err
		}
		return 0, err
	}
	return size, nil
}

// upload is one Upload.
type upload struct {
	files Files
	src   io.ReadSeeker
	to    Target
	size  int64
	temp  string // in the pool's directory
	made  bool   // the temporary file may be there

	verified bool   // its hash is right, or cannot be known
	asked    bool   // RNTO may have been sent
	old      string // where the file that is replaced was moved to
}

// tempName returns a name in the same directory that nobody has.
func tempName(name, what string) string {
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i+1], name[i+1:]
	}
	// File systems end names at 255 bytes.
	const most = 200
	if len(base) > most {
		base = base[:most]
	}
	return dir + "." + base + "." + strings.ToLower(rand.Text()[:8]) + "." + what
}

// send brings all bytes to the temporary file, in as many transfers as that
// takes.
func (u *upload) send(ctx context.Context) error {
	from := int64(0)
	return retry.Do(ctx, u.files.RetryFor, func() error {
		err := u.sendFrom(ctx, from)
		if !retry.Worth(err) || ctx.Err() != nil {
			return err
		}
		had := from
		var herr error
		if from, herr = u.have(ctx); herr != nil {
			return retry.Permanent(errors.Join(err, herr))
		}
		if from > had {
			return retry.Progress(err)
		}
		return err
	})
}

// have returns from where on the upload can go on after a break, by what the
// server has of the temporary file; zero to start anew.
func (u *upload) have(ctx context.Context) (n int64, err error) {
	err = u.files.With(ctx, func(s *remote.Session) error {
		n, err = s.Size(ctx, u.temp)
		return err
	})
	if n < 0 || n > u.size {
		n = 0
	}
	return n, err
}

// sendFrom sends what is left in one transfer. An error of the source is a
// *SourceError.
func (u *upload) sendFrom(ctx context.Context, from int64) error {
	if _, err := u.src.Seek(from, io.SeekStart); err != nil {
		return &SourceError{err}
	}
	to := u.to
	to.Path, to.From = u.temp, from
	w := u.files.Writer(to)
	u.made = true
	if _, err := w.ReadFrom(ctx, u.src); err != nil {
		w.Abort(ctx)
		return err
	}
	if err := w.Close(ctx); err != nil {
		return err
	}
	if w.Size() != u.size {
		return &SourceError{fmt.Errorf("the source had %d bytes, and then %d", u.size, w.Size())}
	}
	return nil
}

// finish verifies the temporary file and gives it its name. A break does not
// tell whether a rename was carried out: the names on the server do.
func (u *upload) finish(ctx context.Context, s *remote.Session) error {
	defer s.Server.Changed()
	if u.asked {
		there, err := s.Exists(ctx, u.temp)
		if err != nil {
			return err
		}
		if !there {
			// Nobody else knows the name: it was our rename.
			return u.tidy(ctx, s)
		}
	}
	if err := u.verify(ctx, s); err != nil {
		return err
	}
	u.asked = true
	err := s.Rename(ctx, u.temp, u.to.Path)
	if errors.Is(err, fs.ErrExist) && u.old == "" {
		err = u.replace(ctx, s)
	}
	if err != nil {
		return err
	}
	return u.tidy(ctx, s)
}

// replace is for servers that do not rename over a file.
func (u *upload) replace(ctx context.Context, s *remote.Session) error {
	u.old = tempName(u.to.Path, "old")
	if err := s.Rename(ctx, u.to.Path, u.old); err != nil {
		return fmt.Errorf("the server does not rename over a file, and the one there cannot be moved: %w", err)
	}
	err := s.Rename(ctx, u.temp, u.to.Path)
	if err == nil || !proto.RefusedAt(err) {
		return err
	}
	if back := s.Rename(ctx, u.old, u.to.Path); back != nil {
		return errors.Join(err, back)
	}
	u.old = ""
	return err
}

// putBack gives the file that was to be replaced its name again, if a break came
// between: the new one may be in its place all the same.
func (u *upload) putBack(ctx context.Context, s *remote.Session) {
	if u.old == "" {
		return
	}
	there, err := s.Exists(ctx, u.to.Path)
	if err == nil && !there {
		err = s.Rename(ctx, u.old, u.to.Path)
	}
	if err != nil {
		trace.From(ctx).Notef("the file that was to be replaced may be found as %s: %v", u.old, err)
	}
}

// tidy removes the file that was replaced.
func (u *upload) tidy(ctx context.Context, s *remote.Session) error {
	u.made = false
	if u.old == "" {
		return nil
	}
	if err := s.Delete(ctx, u.old); err != nil {
		trace.From(ctx).Notef("the file that was replaced may still be there as %s: %v", u.old, err)
	}
	return nil
}

// verify compares the hash if the server tells one. The size was compared when
// the file was closed.
func (u *upload) verify(ctx context.Context, s *remote.Session) error {
	if u.verified {
		return nil
	}
	theirs, ok, err := s.Hash(ctx, u.temp)
	if err != nil || !ok {
		return err
	}
	if _, err := u.src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	ours := theirs.New()
	buf := data.Buffer()
	defer data.Recycle(buf)
	if _, err := io.CopyBuffer(ours, struct{ io.Reader }{u.src}, *buf); err != nil {
		return err
	}
	if sum := hex.EncodeToString(ours.Sum(nil)); !strings.EqualFold(sum, theirs.Sum) {
		return fmt.Errorf("%w: its %s is %s, and that of the source %s", proto.ErrMismatch, theirs.Name, theirs.Sum, sum)
	}
	u.verified = true
	return nil
}

// cleanFor is how long the removal of a temporary file may take when the
// caller's context has ended.
const cleanFor = 5 * time.Second

// clean removes the temporary file, and sees to the one that it was to replace.
func (u *upload) clean(ctx context.Context) {
	if !u.made {
		return
	}
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanFor)
	defer cancel()
	err := u.files.With(cctx, func(s *remote.Session) error {
		defer s.Server.Changed()
		u.putBack(cctx, s)
		return s.Delete(cctx, u.temp)
	})
	if err != nil {
		trace.From(ctx).Notef("the temporary file %s could not be removed: %v", u.temp, err)
	}
}

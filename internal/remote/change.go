package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// The methods here leave it to the caller to call Changed, before a connection
// is given back and whatever the outcome.

// command sends a command on a path, which the server must carry out.
func (s *Session) command(ctx context.Context, verb, name string) error {
	line, err := s.Line(verb, name)
	if err != nil {
		return err
	}
	_, err = s.Want(ctx, 2, line)
	return err
}

// Mkdir makes a directory.
func (s *Session) Mkdir(ctx context.Context, name string) error {
	return (&Making{there: proto.No}).Do(ctx, s, name)
}

// keptOr is Kept for something that was just made and is to be undone if its name
// is not what it was to be: what changes a name in one command changes it in all.
func (s *Session) keptOr(ctx context.Context, name string, undo func() error) error {
	err := s.Kept(ctx, name)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if uerr := undo(); uerr != nil {
		return fmt.Errorf("%w, and it may still be there under that: %w", err, proto.Opaque(uerr))
	}
	return err
}

// KeptFile is Kept for a file that was just written: it is removed if its name is
// not what it was to be.
func (s *Session) KeptFile(ctx context.Context, name string) error {
	return s.keptOr(ctx, name, func() error { return s.Delete(ctx, name) })
}

// Delete sends DELE for a file of which is known what it is: a refusal is not
// explained.
func (s *Session) Delete(ctx context.Context, name string) error { return s.command(ctx, "DELE", name) }

// Remove is one try of a [Removal].
func (s *Session) Remove(ctx context.Context, name string, careful bool) error {
	return (&Removal{Careful: careful}).Do(ctx, s, name)
}

// ErrUnsettled says of a change that was cut off that the server may have carried
// it out.
var ErrUnsettled = errors.New("it is not known whether the server has done it")

// unsettled is the error of a command whose reply was lost.
type unsettled struct{ error }

// Unwrap returns why it was lost.
func (e unsettled) Unwrap() error { return e.error }

// Is reports whether target is [ErrUnsettled].
func (e unsettled) Is(target error) bool { return target == ErrUnsettled }

// Rename gives a file another name. If the reply to RNTO is lost the error is
// ErrUnsettled: see [Session.Renamed].
func (s *Session) Rename(ctx context.Context, from, to string) error {
	if err := s.rename(ctx, from, to); err != nil {
		return err
	}
	return s.keptOr(ctx, to, func() error { return s.rename(ctx, to, from) })
}

// rename is Rename, whatever the server makes of the new name.
func (s *Session) rename(ctx context.Context, from, to string) error {
	line, err := s.Line("RNFR", from)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := s.Want(ctx, 3, line); err != nil {
			return s.Explain(ctx, OpAccess, from, err)
		}
		err = s.command(ctx, "RNTO", to)
		if proto.ReplyOf(err).Code != 503 {
			break
		}
		// The connection was replaced in between, and this one has seen no RNFR.
	}
	switch {
	case err == nil:
		return nil
	case !proto.RefusedAt(err):
		return unsettled{err}
	case proto.IsTemporary(err):
		return err
	}
	// Some accept RNFR for any name: busybox, Twisted.
	if there, ferr := s.Exists(ctx, from); ferr == nil && !there {
		return absent(err)
	}
	return s.Explain(ctx, OpMake, to, err)
}

// Renamed finds out whether a rename was carried out whose reply was lost: the old
// name is missing then, and the new one there, with the size if that is not
// negative. Where SIZE tells of the one, what it says of the other counts, because
// listings hide names.
func (s *Session) Renamed(ctx context.Context, from, to string, size int64) (bool, error) {
	var marks [2]Mark
	for i, name := range []string{from, to} {
		var err error
		if marks[i], err = s.Mark(ctx, name, false); err != nil {
			return false, err
		}
	}
	switch was, is := marks[0], marks[1]; {
	case was.Size >= 0:
		return false, nil
	case is.Size >= 0:
		return was.Refused && (size < 0 || is.Size == size), nil
	}
	// A directory, or a server without SIZE.
	if there, err := s.Exists(ctx, from); there || err != nil {
		return false, err
	}
	e, err := s.Lookup(ctx, to, false)
	switch {
	case errors.Is(err, proto.ErrMissing):
		return false, nil
	case err != nil:
		return false, err
	case size >= 0 && (e.Type != listing.TypeFile || e.Size >= 0 && e.Size != size):
		return false, nil
	}
	// What was not found may be hidden: RNFR tells whether there is anything.
	there, err := movable(ctx, s, from)
	return !there && err == nil, err
}

// movable reports whether there is something to be renamed under a name, by RNFR,
// which changes nothing by itself.
func movable(ctx context.Context, s *Session, name string) (bool, error) {
	line, err := s.Line("RNFR", name)
	if err != nil {
		return false, err
	}
	r, err := s.Do(ctx, line)
	return r.Is(3), err
}

// Chtimes sets the time of the last change. If none of the commands for that
// works the error is errors.ErrUnsupported.
func (s *Session) Chtimes(ctx context.Context, name string, t time.Time) error {
	wire, err := s.Encode(name)
	if err != nil {
		return err
	}
	var first error
	for _, line := range s.timeLines(wire, t) {
		_, err := s.Want(ctx, 2, line)
		if err == nil || !proto.RefusedAt(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return s.Explain(ctx, OpTimes, name, first)
}

// Chmod sets the permission bits, by SITE CHMOD. If the server does not have
// that the error is errors.ErrUnsupported.
func (s *Session) Chmod(ctx context.Context, name string, mode fs.FileMode) error {
	wire, err := s.Encode(name)
	if err != nil {
		return err
	}
	_, err = s.Want(ctx, 2, fmt.Sprintf("SITE CHMOD %03o %s", unixBits(mode), wire))
	if proto.RefusedAt(err) && proto.ReplyOf(err).Unsupported() {
		return &proto.FSError{Kind: errors.ErrUnsupported, Err: err}
	}
	return s.Explain(ctx, OpAccess, name, err)
}

// unixBits returns a mode's bits as chmod counts them.
func unixBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&mode != 0 {
			bits |= bit
		}
	}
	return bits
}

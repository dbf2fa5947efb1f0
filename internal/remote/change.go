package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// The functions here leave it to the caller to call Changed, before a connection
// is given back and whatever the outcome.

// keptOr is nameKept for something that was just made and is to be undone if its name
// is not what it was to be: what changes a name in one command changes it in all.
func keptOr(ctx context.Context, s *Session, name string, undo func() error) error {
	err := nameKept(ctx, s, name)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if uerr := undo(); uerr != nil {
		return fmt.Errorf("%w, and it may still be there under that: %w", err, proto.Opaque(uerr))
	}
	return err
}

// KeptFile is keptOr for a file that was just written: it is removed if its name is
// not what it was to be.
func KeptFile(ctx context.Context, s *Session, name string) error {
	return keptOr(ctx, s, name, func() error { return Delete(ctx, s, name) })
}

// Delete sends DELE for a file of which is known what it is: a refusal is not
// explained.
func Delete(ctx context.Context, s *Session, name string) error { return s.command(ctx, "DELE", name) }

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
func Chtimes(ctx context.Context, s *Session, name string, t time.Time) error {
	wire, err := s.Encode(name)
	if err != nil {
		return err
	}
	var first error
	for _, line := range timeLines(s, wire, t) {
		_, err := s.Want(ctx, 2, line)
		if err == nil || !proto.RefusedAt(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return Explain(ctx, s, OpTimes, name, first)
}

// Chmod sets the permission bits, by SITE CHMOD. If the server does not have
// that the error is errors.ErrUnsupported.
func Chmod(ctx context.Context, s *Session, name string, mode fs.FileMode) error {
	wire, err := s.Encode(name)
	if err != nil {
		return err
	}
	_, err = s.Want(ctx, 2, fmt.Sprintf("SITE CHMOD %03o %s", unixBits(mode), wire))
	if proto.RefusedAt(err) && proto.ReplyOf(err).Unsupported() {
		return &proto.FSError{Kind: errors.ErrUnsupported, Err: err}
	}
	return Explain(ctx, s, OpAccess, name, err)
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

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
	if err := s.command(ctx, "MKD", name); err != nil {
		return s.Explain(ctx, OpMake, name, err)
	}
	return s.Kept(ctx, name)
}

// Delete sends DELE for a file of which is known what it is: a refusal is not
// explained.
func (s *Session) Delete(ctx context.Context, name string) error { return s.command(ctx, "DELE", name) }

// Remove removes a file, a symbolic link or a directory. If what is in a
// directory must stay, it is careful with servers that may remove that too.
func (s *Session) Remove(ctx context.Context, name string, careful bool) error {
	err := s.Delete(ctx, name)
	if err == nil || !proto.RefusedAt(err) {
		return err
	}
	e, lerr := s.Lookup(ctx, name, false)
	if lerr == nil && e.Type == listing.TypeDir {
		return s.removeDir(ctx, name, careful)
	}
	return meaning(ctx, kindFound(lerr, err), err)
}

// removeDir removes what is known to be a directory.
func (s *Session) removeDir(ctx context.Context, name string, careful bool) error {
	if careful && s.emptiesDirs() {
		if entries, err := s.List(ctx, name); err == nil && len(entries) > 0 {
			return &proto.FSError{Kind: proto.ErrNotEmpty}
		}
	}
	err := s.command(ctx, "RMD", name)
	if err == nil || !proto.RefusedAt(err) {
		return err
	}
	// Some have a transient reply for this, aioftp a 451.
	if entries, lerr := s.List(ctx, name); lerr == nil && len(entries) > 0 {
		return &proto.FSError{Kind: proto.ErrNotEmpty, Err: err}
	}
	return s.Explain(ctx, OpAccess, name, err)
}

// Rename gives a file another name.
func (s *Session) Rename(ctx context.Context, from, to string) error {
	line, err := s.Line("RNFR", from)
	if err != nil {
		return err
	}
	if _, err := s.Want(ctx, 3, line); err != nil {
		return s.Explain(ctx, OpAccess, from, err)
	}
	err = s.command(ctx, "RNTO", to)
	if err == nil {
		return s.Kept(ctx, to)
	}
	if !proto.RefusedAt(err) || proto.IsTemporary(err) {
		return err
	}
	// Some accept RNFR for any name: busybox, Twisted.
	if there, ferr := s.Exists(ctx, from); ferr == nil && !there {
		return absent(err)
	}
	return s.Explain(ctx, OpMake, to, err)
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

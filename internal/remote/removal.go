package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// Removal removes a file, a symbolic link or a directory, in as many tries as that
// takes.
type Removal struct {
	// Careful says that what is in a directory must stay: some servers remove
	// that too.
	Careful bool
	// Asks says that it is asked first whether there is anything, if that costs no
	// round trip: it matters if a reply is lost.
	Asks bool

	there proto.Finding // whether there was something before
	lost  error         // why the outcome of an earlier try is not known; nil if it is
}

// Do is a try. If the reply was lost it may be called again: that there is nothing
// under the name any more proves that it was carried out, if it is known that there
// was something before.
func (r *Removal) Do(ctx context.Context, s *Session, name string) error {
	err := r.do(ctx, s, name)
	switch {
	case r.lost != nil && errors.Is(err, proto.ErrMissing):
		if r.there == proto.Yes {
			return nil
		}
		return &proto.FSError{Kind: fs.ErrNotExist, Err: fmt.Errorf("%w: %w", proto.ErrNoVerdict, r.lost)}
	case r.lost == nil && err != nil && !proto.RefusedAt(err):
		r.lost = err
	}
	return err
}

func (r *Removal) do(ctx context.Context, s *Session, name string) error {
	err := r.delete(ctx, s, name)
	if err == nil || !proto.RefusedAt(err) {
		return err
	}
	e, lerr := Lookup(ctx, s, name, false)
	switch {
	case lerr == nil && e.Type == listing.TypeDir:
		r.there = proto.Yes
		return r.removeDir(ctx, s, name)
	case unknown(lerr):
		return lerr // whatever the words of the refusal
	}
	return meaning(ctx, kindFound(lerr, err), err)
}

// delete sends DELE, and ahead of it in the same write, if the server takes that,
// the question whether there is a file.
func (r *Removal) delete(ctx context.Context, s *Session, name string) error {
	line, err := s.Line("DELE", name)
	if err != nil {
		return err
	}
	if !r.Asks || r.there != proto.Unknown || !s.Pipelines() || !s.HasSIZE() {
		_, err = s.Want(ctx, 2, line)
		return err
	}
	size, err := s.Line("SIZE", name)
	if err != nil {
		return err
	}
	return s.wantBehind(ctx, []string{size}, line, func(_ string, reply proto.Reply) {
		switch {
		case reply.Size() >= 0:
			r.there = proto.Yes
		case reply.Code == 550:
			r.there = proto.No
		}
	})
}

// unknown reports whether a lookup has failed in a way that tells nothing of the
// name.
func unknown(err error) bool { return retry.Worth(err) && !proto.RefusedAt(err) }

// removeDir removes what is known to be a directory.
func (r *Removal) removeDir(ctx context.Context, s *Session, name string) error {
	if r.Careful && emptiesDirs(s) {
		entries, err := s.List(ctx, name)
		switch {
		case len(entries) > 0:
			return &proto.FSError{Kind: proto.ErrNotEmpty}
		case err != nil && !proto.RefusedAt(err):
			// What a line stands for that is not understood is there, too.
			return err
		}
	}
	err := s.command(ctx, "RMD", name)
	if err == nil || !proto.RefusedAt(err) {
		return err
	}
	// Some have a transient reply for this, aioftp a 451.
	entries, lerr := s.List(ctx, name)
	switch {
	case len(entries) > 0 || proto.Unread(lerr) != nil:
		return &proto.FSError{Kind: proto.ErrNotEmpty, Err: err}
	case unknown(lerr):
		return lerr
	}
	return Explain(ctx, s, OpAccess, name, err)
}

package remote

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Renaming gives a file another name, in as many tries as that takes: a break does
// not tell whether a rename was carried out, the names on the server do.
type Renaming struct {
	From, To string
	Size     int64 // of the file, in bytes; negative if it is not known
	// Taken, if it is not nil, goes on where a server does not rename over what is
	// there.
	Taken func(ctx context.Context, s *Session) error

	lost bool // the reply to RNTO, in an earlier try
}

// Do is a try. If it fails it may be called again.
func (r *Renaming) Do(ctx context.Context, s *Session) error {
	if r.lost {
		if done, err := r.done(ctx, s); done || err != nil {
			return err
		}
	}
	err := r.once(ctx, s)
	if r.Taken != nil && errors.Is(err, fs.ErrExist) {
		err = r.Taken(ctx, s)
	}
	if r.lost && proto.RefusedAt(err) {
		// It may have been carried out since it was looked for.
		if done, derr := r.done(ctx, s); done && derr == nil {
			return nil
		}
	}
	r.lost = r.lost || errors.Is(err, errUnsettled)
	return err
}

// Rename gives a file another name, in one try.
func Rename(ctx context.Context, s *Session, from, to string) error {
	return (&Renaming{From: from, To: to}).once(ctx, s)
}

// errUnsettled says of a change that was cut off that the server may have carried
// it out.
var errUnsettled = errors.New("it is not known whether the server has done it")

// unsettled is the error of a command whose reply was lost.
type unsettled struct{ error }

// Unwrap returns why it was lost.
func (e unsettled) Unwrap() error { return e.error }

// Is reports whether target is [errUnsettled].
func (e unsettled) Is(target error) bool { return target == errUnsettled }

// once is a try that does not look at what became of earlier ones. If the reply to
// RNTO is lost the error is errUnsettled.
func (r *Renaming) once(ctx context.Context, s *Session) error {
	if err := rename(ctx, s, r.From, r.To); err != nil {
		return err
	}
	return keptOr(ctx, s, r.To, func() error { return rename(ctx, s, r.To, r.From) })
}

// rename is once, whatever the server makes of the new name.
func rename(ctx context.Context, s *Session, from, to string) error {
	line, err := s.Line("RNFR", from)
	if err != nil {
		return err
	}
	for range 2 {
		var r proto.Reply
		if r, err = s.Do(ctx, line); err == nil && !r.Is(3) && !r.Completed() { // some say 250
			err = proto.Refusal(line, r)
		}
		if err != nil {
			return Explain(ctx, s, OpAccess, from, err)
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
	if there, ferr := Exists(ctx, s, from); ferr == nil && !there {
		return absent(err)
	}
	return Explain(ctx, s, OpMake, to, err)
}

// done finds out whether a rename was carried out whose reply was lost: the old
// name is missing then, and the new one there, with the size if that is not
// negative. Where SIZE tells of the one, what it says of the other counts, because
// listings hide names.
func (r *Renaming) done(ctx context.Context, s *Session) (bool, error) {
	var marks [2]Mark
	for i, name := range []string{r.From, r.To} {
		var err error
		if marks[i], err = MarkOf(ctx, s, name, false); err != nil {
			return false, err
		}
	}
	switch was, is := marks[0], marks[1]; {
	case was.Size >= 0:
		return false, nil
	case is.Size >= 0:
		return was.Refused && (r.Size < 0 || is.Size == r.Size), nil
	}
	// A directory, or a server without SIZE.
	if there, err := Exists(ctx, s, r.From); there || err != nil {
		return false, err
	}
	e, err := Lookup(ctx, s, r.To, false)
	switch {
	case errors.Is(err, proto.ErrMissing):
		return false, nil
	case err != nil:
		return false, err
	case r.Size >= 0 && (e.Type != listing.TypeFile || e.Size >= 0 && e.Size != r.Size):
		return false, nil
	}
	// What was not found may be hidden: RNFR tells whether there is anything.
	there, err := movable(ctx, s, r.From)
	return !there && err == nil, err
}

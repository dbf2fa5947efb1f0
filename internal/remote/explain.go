package remote

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Op is what was asked of a name when the server refused.
type Op uint8

// The operations.
const (
	OpAccess Op = iota // what needs the name to be there
	OpList             // a listing, or CWD
	OpRead             // RETR
	OpMake             // MKD and RNTO, for which the name must be free
	OpWrite            // STOR and APPE
	OpTimes            // every command that sets a time
)

// Explain returns the refusal of a command on a name together with what it means
// for a file system, as a [*proto.FSError]: RFC 959 has the one code 550 for all
// that can be wrong with a file, so the server is asked about the name. If that
// does not tell, or err is no refusal of the name, Explain returns err.
func Explain(ctx context.Context, s *Session, op Op, name string, err error) error {
	if !op.explains(err) {
		return err
	}
	return meaning(ctx, kindOf(ctx, s, op, name, err), err)
}

// meaning returns a refusal with its kind, which is nil if it is not known.
func meaning(ctx context.Context, kind, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case kind == nil:
		return err
	}
	if u, ok := kind.(unlookedKind); ok {
		return u.error
	}
	return &proto.FSError{Kind: kind, Err: err}
}

// Explainable reports whether Explain may find out more of the refusal of a
// file that was to be written, so that it is worth a connection.
func Explainable(name string, err error) bool {
	parent, _ := Split(name)
	return OpWrite.explains(err) && (parent != "" || proto.SaysDenied(err))
}

// explains reports whether an error is a refusal that may be one of the name.
func (op Op) explains(err error) bool {
	if !proto.RefusedAt(err) {
		return false
	}
	r := proto.ReplyOf(err)
	switch op {
	case OpAccess:
		return !proto.IsTemporary(err) && !r.Unsupported() && r.Code != 452
	case OpRead:
		return !errors.Is(err, proto.ErrNoRestart) && (r.Code/100 != 4 || r.Missing() || proto.IsFinal(err)) && !r.Broken()
	case OpWrite:
		return (r.Code == 550 || r.Code == 551 || r.Code == 553) && !proto.IsTemporary(err) || r.Code/100 == 4 && r.Missing() || proto.IsFinal(err)
	}
	return true
}

// kindOf returns the kind of error that a refusal stands for; nil if that is not
// known.
func kindOf(ctx context.Context, s *Session, op Op, name string, err error) error {
	switch op {
	case OpList:
		return whyNotListed(ctx, s, name, err)
	case OpRead:
		e, serr := Stat(ctx, s, name, false)
		switch {
		case serr == nil && e.Type == listing.TypeDir:
			return proto.ErrIsDir
		case !OpAccess.explains(err):
			return nil
		case errors.Is(serr, proto.ErrMissing):
			return fs.ErrNotExist
		}
	case OpMake:
		return whyNotMade(ctx, s, name, err)
	case OpWrite:
		return whyNotWritten(ctx, s, name, err)
	case OpTimes:
		if there, serr := Exists(ctx, s, name); serr == nil && !there {
			return fs.ErrNotExist
		}
		return errors.ErrUnsupported
	}
	_, lerr := Lookup(ctx, s, name, false)
	return kindFound(lerr, err)
}

// unlookedKind is the kind of a refusal that could not be looked into, for the error in
// it, which may pass: the words of the refusal do not replace the answer.
type unlookedKind struct{ error }

// unlooked returns the kind of a refusal where the look at the name has failed.
func unlooked(lerr, err error) error {
	if unknown(lerr) {
		return unlookedKind{lerr}
	}
	return guess(err)
}

// kindFound is kindOf for a name that must be there, if looking it up has ended
// with lerr.
func kindFound(lerr, err error) error {
	switch {
	case errors.Is(lerr, proto.ErrMissing):
		return fs.ErrNotExist
	case errors.Is(lerr, fs.ErrPermission) && !proto.IsTemporary(err):
		return fs.ErrPermission // its directory is closed, too
	case lerr != nil:
		return unlooked(lerr, err)
	case proto.IsTemporary(err):
		return nil
	}
	return fs.ErrPermission
}

// whyNotListed is kindOf for a directory that could not be listed.
func whyNotListed(ctx context.Context, s *Session, dir string, err error) error {
	if dir == "" {
		return guess(err)
	}
	e, serr := Stat(ctx, s, dir, false)
	switch {
	case errors.Is(serr, proto.ErrMissing):
		return fs.ErrNotExist
	case serr != nil:
		return unlooked(serr, err)
	case e.Type != listing.TypeDir:
		return proto.ErrNotDir
	}
	return fs.ErrPermission
}

// whyNotMade is kindOf for a name under which something could not be made.
func whyNotMade(ctx context.Context, s *Session, name string, err error) error {
	there, serr := Exists(ctx, s, name)
	switch {
	case serr != nil:
		return nil
	case there:
		return fs.ErrExist
	}
	if kind := whyNoParent(ctx, s, name); kind != nil {
		return kind
	}
	if proto.ReplyOf(err).Code/100 == 4 {
		return nil
	}
	return fs.ErrPermission
}

// whyNotWritten is kindOf for a file that was refused although its directory may be
// there.
func whyNotWritten(ctx context.Context, s *Session, name string, err error) error {
	if kind := whyNoParent(ctx, s, name); kind != nil {
		return kind
	}
	denied := proto.SaysDenied(err)
	if parent, _ := Split(name); parent == "" && !denied {
		return nil
	}
	e, serr := Lookup(ctx, s, name, false)
	switch {
	case serr == nil && e.Type == listing.TypeDir:
		return proto.ErrIsDir
	case serr == nil, errors.Is(serr, proto.ErrMissing), denied:
		return fs.ErrPermission
	}
	return nil
}

// whyNoParent returns what is wrong with the directory that a name is in; nil if
// nothing is known to be.
func whyNoParent(ctx context.Context, s *Session, name string) error {
	parent, _ := Split(name)
	if parent == "" {
		return nil
	}
	e, err := Stat(ctx, s, parent, false)
	switch {
	case errors.Is(err, proto.ErrMissing):
		return fs.ErrNotExist
	case err == nil && e.Type != listing.TypeDir:
		return proto.ErrNotDir
	}
	return nil
}

// guess returns the kind of a refusal by its words, if nothing else can be had;
// nil if they do not tell.
func guess(err error) error {
	switch r := proto.ReplyOf(err); {
	case r.Missing():
		return fs.ErrNotExist
	case r.Denied(), r.Unopened():
		return fs.ErrPermission
	}
	return nil
}

// absent returns the error of a name under which a lookup has found nothing. The
// reason is the refusal of a command that has named it: that a listing does not
// show a name is no reason, because servers hide names. It is nil if there is no
// such reply to be shown.
func absent(reason error) error {
	if reason == nil {
		return proto.ErrMissing
	}
	return proto.Missing(reason)
}

package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// change calls fn for what changes something on the server. Only what the
// server has refused for now is tried again: after a break it is not known
// whether the command was carried out.
func (f *FS) change(op, name string, fn func(ctx context.Context, ls *lease, name string) error) error {
	if name == "." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return f.do(op, name, isTemporary, func(ctx context.Context, ls *lease, at string) error {
		defer ls.p.server.changed()
		return fn(ctx, ls, at)
	})
}

func isTemporary(err error) bool {
	var refused *ReplyError
	return retryable(err) && errors.As(err, &refused)
}

// command sends a command on a path that must succeed.
func (ls *lease) command(ctx context.Context, verb, name string) error {
	line, err := ls.line(verb, name)
	if err != nil {
		return err
	}
	_, err = ls.l.want(ctx, 2, line)
	return err
}

// Mkdir makes a directory. The permission bits are those that the server gives
// new directories: see [FS.Chmod].
func (f *FS) Mkdir(name string, _ fs.FileMode) error {
	return f.change("mkdir", name, func(ctx context.Context, ls *lease, at string) error {
		err := ls.command(ctx, "MKD", at)
		if err == nil {
			return ls.kept(ctx, at)
		}
		if !refusedAt(err) {
			return err
		}
		return ls.whyNotMade(ctx, at, err)
	})
}

// whyNotMade finds out why something could not be made under a name.
func (ls *lease) whyNotMade(ctx context.Context, name string, err error) error {
	there, serr := ls.exists(ctx, name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case serr != nil:
		return err
	case there:
		return &kindError{fs.ErrExist, err}
	}
	if parent, _ := split(name); parent != "" {
		if e, perr := ls.stat(ctx, parent, false); errors.Is(perr, errMissing) {
			return missing(err)
		} else if perr == nil && e.Type != listing.TypeDir {
			return &kindError{errNotDir, err}
		}
	}
	var refused *ReplyError
	if errors.As(err, &refused) && refused.Temporary() {
		return err
	}
	return denied(err)
}

// explained says of a refusal of a file what can be found out: that its
// directory is not there, or is none. No lease must be held.
func (s *sink) explained(ctx context.Context, err error) error {
	var refused *ReplyError
	parent, _ := split(s.at)
	if parent == "" || !refusedAt(err) || !errors.As(err, &refused) {
		return err
	}
	if code := refused.Reply.Code; code != 550 && code != 551 && code != 553 {
		return err
	}
	ls, aerr := s.fs.p.acquire(ctx)
	if aerr != nil {
		return err
	}
	defer ls.release()
	e, serr := ls.stat(ctx, parent, false)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(serr, errMissing):
		return missing(err)
	case serr == nil && e.Type != listing.TypeDir:
		return &kindError{errNotDir, err}
	}
	return err
}

// MkdirAll makes a directory and those above it that are missing. One that is
// there is no error.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	if name == "." {
		return nil
	}
	err := f.Mkdir(name, perm)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		info, serr := f.Stat(name)
		if serr == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: &kindError{kind: errNotDir}}
		}
		return serr
	case errors.Is(err, fs.ErrNotExist):
		parent, _ := split(name)
		if parent == "" {
			return err
		}
		if err := f.MkdirAll(parent, perm); err != nil {
			return err
		}
		if err = f.Mkdir(name, perm); errors.Is(err, fs.ErrExist) {
			err = nil // somebody else was faster
		}
	}
	return err
}

// Remove removes a file, a symbolic link or an empty directory. On a server that
// is not one of a few well-known programs a directory is listed first: some
// remove it with all that is in it.
func (f *FS) Remove(name string) error { return f.remove(name, true) }

// remove is Remove, where kept says that what is in a directory must stay.
func (f *FS) remove(name string, kept bool) error {
	return f.change("remove", name, func(ctx context.Context, ls *lease, at string) error {
		err := ls.command(ctx, "DELE", at)
		if err == nil || !refusedAt(err) {
			return err
		}
		e, serr := ls.lstat(ctx, at, false)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(serr, errMissing):
			return missing(err)
		case serr != nil:
			return err
		case e.Type == listing.TypeDir:
			return ls.removeDir(ctx, at, kept)
		case isTemporary(err):
			return err
		}
		return denied(err)
	})
}

// removeDir removes a directory that is known to be one.
func (ls *lease) removeDir(ctx context.Context, name string, kept bool) error {
	if kept && ls.l.software() == unknownSoftware {
		if entries, err := ls.list(ctx, name); err == nil && len(entries) > 0 {
			return &kindError{kind: errNotEmpty}
		}
	}
	err := ls.command(ctx, "RMD", name)
	if err == nil || !refusedAt(err) {
		return err
	}
	// Some have a transient reply for this, aioftp a 451.
	entries, lerr := ls.list(ctx, name)
	switch {
	case lerr == nil && len(entries) > 0:
		return &kindError{errNotEmpty, err}
	case isTemporary(err):
		return err
	}
	return ls.why(ctx, name, err)
}

// RemoveAll removes a file or a directory with all that is in it. Symbolic
// links are removed and not followed. A name that does not exist is no error.
func (f *FS) RemoveAll(name string) error {
	err := f.remove(name, false)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, errNotEmpty) {
		return err
	}
	// What STAT hides must go too.
	var entries []listing.Entry
	err = f.ask("readdir", name, func(ctx context.Context, ls *lease, at string) (err error) {
		entries, err = ls.list(ctx, at)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := f.RemoveAll(name + "/" + e.Name); err != nil {
			return err
		}
	}
	if err := f.remove(name, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename gives a file another name. Whether a file that has the new name is
// replaced is the server's decision; one that does not is an error that is
// [fs.ErrExist].
func (f *FS) Rename(oldname, newname string) error {
	if !validName(newname) || newname == "." {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fs.ErrInvalid}
	}
	err := f.change("rename", oldname, func(ctx context.Context, ls *lease, at string) error {
		return ls.rename(ctx, at, f.path(newname))
	})
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: pe.Err}
	}
	return err
}

func (ls *lease) rename(ctx context.Context, from, to string) error {
	line, err := ls.line("RNFR", from)
	if err != nil {
		return err
	}
	if _, err := ls.l.want(ctx, 3, line); err != nil {
		if refusedAt(err) {
			return ls.why(ctx, from, err)
		}
		return err
	}
	err = ls.command(ctx, "RNTO", to)
	if err == nil {
		return ls.kept(ctx, to)
	}
	if !refusedAt(err) || isTemporary(err) {
		return err
	}
	// Some take RNFR for any name: busybox, twisted.
	if there, ferr := ls.exists(ctx, from); ferr == nil && !there {
		return missing(err)
	}
	return ls.whyNotMade(ctx, to, err)
}

// Chtimes sets the time of the last change. FTP has no time of the last
// access; atime is not used. Servers have up to three ways to do this, and
// some have none: the error is [errors.ErrUnsupported] then.
func (f *FS) Chtimes(name string, _, mtime time.Time) error {
	return f.change("chtimes", name, func(ctx context.Context, ls *lease, at string) error {
		return ls.touch(ctx, at, mtime.UTC())
	})
}

// touch tries MFMT, then MDTM with a time, then SITE UTIME in its two forms.
func (ls *lease) touch(ctx context.Context, name string, t time.Time) error {
	wire, err := ls.encode(name)
	if err != nil {
		return err
	}
	const layout = "20060102150405"
	stamp := t.Format(layout)
	var ways []string
	if _, ok := ls.l.sess.Feature("MFMT"); ok {
		ways = append(ways, "MFMT "+stamp+" "+wire)
	}
	ways = append(ways, "MDTM "+stamp+" "+wire,
		"SITE UTIME "+stamp+" "+wire,
		fmt.Sprintf("SITE UTIME %s %s %s %s UTC", wire, stamp, stamp, stamp))
	var first error
	for _, line := range ways {
		_, err := ls.l.want(ctx, 2, line)
		if err == nil || !refusedAt(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	if there, err := ls.exists(ctx, name); err == nil && !there {
		return missing(first)
	}
	return &kindError{errors.ErrUnsupported, first}
}

// Chmod sets the permission bits, by SITE CHMOD. Servers that do not have it
// give an error that is [errors.ErrUnsupported].
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.change("chmod", name, func(ctx context.Context, ls *lease, at string) error {
		wire, err := ls.encode(at)
		if err != nil {
			return err
		}
		_, err = ls.l.want(ctx, 2, fmt.Sprintf("SITE CHMOD %03o %s", unixBits(mode), wire))
		var refused *ReplyError
		if errors.As(err, &refused) && unsupported(refused.Reply) {
			return &kindError{errors.ErrUnsupported, err}
		}
		if err != nil && refusedAt(err) {
			return ls.why(ctx, at, err)
		}
		return err
	})
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

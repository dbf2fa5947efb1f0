package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// This file has the changes that may be made again when a reply is lost, because it
// is known what was there before.

// Making makes a directory, in as many tries as that takes. It is asked first
// whether there is one, if that costs no round trip, or if the server is not one of
// a few known programs: some say 257 of one that is there.
type Making struct {
	there proto.Finding // whether there was something before
	moves bool          // RNFR was accepted, which some do for any name
	lost  error         // why the outcome of an earlier try is not known; nil if it is
}

// Again reports whether Do may be called again after it has returned err.
func (m *Making) Again(err error) bool {
	return retry.Worth(err) && (proto.RefusedAt(err) || m.there != proto.Unknown)
}

// Do is a try. If the reply was lost, a directory that is there now proves that it
// was carried out, if it is known that there was nothing before.
func (m *Making) Do(ctx context.Context, s *Session, name string) error {
	err := m.do(ctx, s, name)
	switch {
	case m.lost != nil && errors.Is(err, fs.ErrExist) && m.there == proto.No:
		if e, lerr := s.Lookup(ctx, name, false); lerr == nil && e.Type == listing.TypeDir {
			return nil
		}
	case m.lost == nil && err != nil && !proto.RefusedAt(err):
		m.lost = err
	}
	return err
}

func (m *Making) do(ctx context.Context, s *Session, name string) error {
	err := m.mkd(ctx, s, name)
	if err == nil && m.moves && m.there == proto.Unknown {
		if any, merr := movable(ctx, s, TempName(name, "none", false)); !any && merr == nil {
			m.there = proto.Yes // and so RNFR was accepted
		}
	}
	if err == nil && m.there == proto.Yes {
		if err = s.Kept(ctx, name); !errors.Is(err, errors.ErrUnsupported) {
			err = &proto.FSError{Kind: fs.ErrExist}
		}
		return err
	}
	for again := true; err != nil; again = false {
		err = s.Explain(ctx, OpMake, name, err)
		if !again || !errors.Is(err, fs.ErrPermission) {
			return err
		}
		// The parent is there now, and may not have been when the server
		// refused: others make directories too.
		err = s.command(ctx, "MKD", name)
	}
	return s.keptOr(ctx, name, func() error { return s.command(ctx, "RMD", name) })
}

// mkd sends MKD, and ahead of it what asks whether there is something.
func (m *Making) mkd(ctx context.Context, s *Session, name string) error {
	line, err := s.Line("MKD", name)
	if err != nil {
		return err
	}
	if m.there != proto.Unknown || m.lost != nil {
		_, err = s.Want(ctx, 2, line)
		return err
	}
	if s.Software() == control.UnknownSoftware && !s.HasMLST() || !s.Pipelines() {
		return m.ask(ctx, s, name, line)
	}
	questions, err := existQuestions(s, name)
	if err != nil {
		return err
	}
	var refused error
	err = s.Batch(ctx, append(questions, line), changeLimit, func(i int, r proto.Reply) error {
		switch {
		case i < len(questions):
			m.heard(questions[i], r)
		case !r.Completed():
			refused = proto.Refusal(line, r)
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	return err
}

// ask is mkd for servers that take one command at a time, and for those that may
// have a 257 for what is there and no word for what it is: the answers decide whether
// MKD is sent.
func (m *Making) ask(ctx context.Context, s *Session, name, line string) error {
	if s.Software() == control.UnknownSoftware {
		if err := m.look(ctx, s, name); err != nil {
			return err
		}
	}
	if m.there == proto.Yes {
		return nil
	}
	_, err := s.Want(ctx, 2, line)
	return err
}

// look asks whether there is something, by CWD where there is no MLST.
func (m *Making) look(ctx context.Context, s *Session, name string) error {
	if !s.HasMLST() {
		entered, refused, err := isDir(ctx, s, name)
		switch {
		case err != nil:
			return err
		case entered:
			m.there = proto.Yes
		case refused != nil:
			m.heard("CWD ", proto.ReplyOf(refused))
		}
	}
	questions, err := existQuestions(s, name)
	if err != nil {
		return err
	}
	for _, q := range questions {
		if m.there != proto.Unknown {
			return nil
		}
		r, err := s.Do(ctx, q)
		if err != nil {
			return err
		}
		m.heard(q, r)
	}
	return nil
}

// existQuestions are the commands that tell whether something has a name, be it a
// directory. RNFR changes nothing by itself, and is for vsftpd alone: Twisted takes
// nothing but RNTO behind it, busybox takes it for every name.
func existQuestions(s *Session, name string) ([]string, error) {
	verbs := []string{"MLST"}
	if !s.HasMLST() {
		verbs = nil
		if s.HasSIZE() {
			verbs = append(verbs, "SIZE")
		}
		if s.Software() == control.VSFTPD {
			verbs = append(verbs, "RNFR")
		}
	}
	lines := make([]string, len(verbs))
	for i, verb := range verbs {
		line, err := s.Line(verb, name)
		if err != nil {
			return nil, err
		}
		lines[i] = line
	}
	return lines, nil
}

// heard takes the answer to one of them.
func (m *Making) heard(line string, r proto.Reply) {
	switch verb := line[:4]; {
	case m.there != proto.Unknown:
	case verb == "MLST" && r.Completed() && len(r.Lines) > 2, verb == "SIZE" && r.Size() >= 0:
		m.there = proto.Yes
	case verb == "RNFR" && r.Is(3):
		m.moves = true
	case verb != "SIZE" && r.Code == 550 && (!r.Denied() || r.Missing()):
		m.there = proto.No
	}
}

// changeLimit is how long a server may take to change something.
const changeLimit = time.Minute

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
	e, lerr := s.Lookup(ctx, name, false)
	switch {
	case lerr == nil && e.Type == listing.TypeDir:
		r.there = proto.Yes
		return s.removeDir(ctx, name, r.Careful)
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
	var refused error
	err = s.Batch(ctx, []string{size, line}, changeLimit, func(i int, reply proto.Reply) error {
		switch {
		case i == 1 && !reply.Completed():
			refused = proto.Refusal(line, reply)
		case i == 0 && reply.Size() >= 0:
			r.there = proto.Yes
		case i == 0 && reply.Code == 550:
			r.there = proto.No
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	return err
}

// unknown reports whether a lookup has failed in a way that tells nothing of the
// name.
func unknown(err error) bool { return retry.Worth(err) && !proto.RefusedAt(err) }

// removeDir removes what is known to be a directory.
func (s *Session) removeDir(ctx context.Context, name string, careful bool) error {
	if careful && s.emptiesDirs() {
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
	return s.Explain(ctx, OpAccess, name, err)
}

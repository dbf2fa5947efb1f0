package remote

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// Making makes a directory, in as many tries as that takes. It is asked first
// whether there is one, if that costs no round trip, or if the server is not one of
// a few known programs: some say 257 of one that is there.
type Making struct {
	there proto.Finding // whether there was something before
	moves bool          // RNFR was accepted, which some do for any name
	lost  error         // why the outcome of an earlier try is not known; nil if it is
}

// Do is a try. If the reply was lost, a directory that is there now proves that it
// was carried out, if it is known that there was nothing before; and one that is not
// there, that it was not.
func (m *Making) Do(ctx context.Context, s *Session, name string) error {
	if m.lost != nil && m.there == proto.Unknown {
		if err := m.look(ctx, s, name); err != nil {
			return err
		}
		if m.there != proto.No {
			return retry.Permanent(m.lost)
		}
	}
	err := m.do(ctx, s, name)
	switch {
	case m.lost != nil && errors.Is(err, fs.ErrExist) && m.there == proto.No:
		if e, lerr := Lookup(ctx, s, name, false); lerr == nil && e.Type == listing.TypeDir {
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
		if err = nameKept(ctx, s, name); !errors.Is(err, errors.ErrUnsupported) {
			err = &proto.FSError{Kind: fs.ErrExist}
		}
		return err
	}
	for again := true; err != nil; again = false {
		err = Explain(ctx, s, OpMake, name, err)
		if !again || !errors.Is(err, fs.ErrPermission) {
			return err
		}
		// The parent is there now, and may not have been when the server
		// refused: others make directories too.
		err = s.command(ctx, "MKD", name)
	}
	return keptOr(ctx, s, name, func() error { return s.command(ctx, "RMD", name) })
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
	return s.wantBehind(ctx, questions, line, m.heard)
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
			m.heard("CWD", proto.ReplyOf(refused))
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
	return s.lines(name, verbs...)
}

// heard takes the answer to one of them.
func (m *Making) heard(line string, r proto.Reply) {
	switch verb := control.Verb(line); {
	case m.there != proto.Unknown:
	case verb == "MLST" && r.Completed() && len(r.Lines) > 2, verb == "SIZE" && r.Size() >= 0:
		m.there = proto.Yes
	case verb == "RNFR" && r.Is(3):
		m.moves = true
	case verb != "SIZE" && r.Code == 550 && (!r.Denied() || r.Missing()):
		m.there = proto.No
	}
}

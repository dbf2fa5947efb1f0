package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/session"
)

// Session is one connection, and what all of them know of the server.
type Session struct {
	*session.Conn
	Server *Server

	transfers bool // see ForTransfer
}

// ForTransfer returns s for questions that a transfer is likely to follow: a
// data connection for that is asked for along with them.
func (s *Session) ForTransfer() *Session { return &Session{s.Conn, s.Server, true} }

// ask sends a command that asks something and returns the reply, whatever it
// says.
func (s *Session) ask(ctx context.Context, line string) (proto.Reply, error) {
	if !s.transfers {
		return s.Do(ctx, line)
	}
	replies, err := s.Transfer().Ask(ctx, line)
	if err != nil {
		return proto.Reply{}, err
	}
	return replies[0], nil
}

// command sends a command on a path, which the server must carry out.
func (s *Session) command(ctx context.Context, verb, name string) error {
	line, err := s.Line(verb, name)
	if err != nil {
		return err
	}
	_, err = s.Want(ctx, 2, line)
	return err
}

// HasMLST reports whether the server has MLST (RFC 3659, 7), by FEAT and by what
// was seen of it.
func (s *Session) HasMLST() bool { return s.has(MLST) }

// HasMLSD is HasMLST for MLSD.
func (s *Session) HasMLSD() bool { return s.has(MLSD) }

// HasSIZE reports whether the server may have SIZE: it did not say that it has
// not.
func (s *Session) HasSIZE() bool { return s.Server.Knows(SIZE) != proto.No }

func (s *Session) has(c Capability) bool {
	_, listed := s.Feature("MLST")
	return listed && s.Server.Knows(c) != proto.No
}

// Charset translates between names and the bytes on the wire, for servers that
// do not speak UTF-8. Both ways must be exact.
type Charset interface {
	Encode(name string) (wire string, err error)
	Decode(wire string) (name string, err error)
}

// charset returns the translation that is in force: nil if the server speaks
// UTF-8, unless it was seen to list names that are not.
func (s *Session) charset() Charset {
	if _, utf8 := s.Feature("UTF8"); utf8 && s.Server.Knows(NotUTF8) != proto.Yes {
		return nil
	}
	return s.Server.charset
}

// Encode returns a path as the server is given it.
func (s *Session) Encode(name string) (string, error) {
	cs := s.charset()
	if cs == nil {
		return dotted(name), nil
	}
	wire, err := cs.Encode(name)
	if err != nil {
		return "", fmt.Errorf("the name cannot be put in the server's charset: %w", err)
	}
	return dotted(wire), nil
}

// Line returns a command with a path as its argument.
func (s *Session) Line(verb, name string) (string, error) {
	wire, err := s.Encode(name)
	if err != nil || wire == "" {
		return verb, err
	}
	return verb + " " + wire, nil
}

// lines returns commands with the same path as their argument.
func (s *Session) lines(name string, verbs ...string) ([]string, error) {
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

// changeLimit is how long a server may take to change something.
const changeLimit = time.Minute

// wantBehind sends a command that the server must carry out, and ahead of it in the
// same write what it is asked first: heard takes the answers.
func (s *Session) wantBehind(ctx context.Context, questions []string, line string, heard func(question string, r proto.Reply)) error {
	var refused error
	err := s.Batch(ctx, append(questions, line), changeLimit, func(i int, r proto.Reply) error {
		switch {
		case i < len(questions):
			heard(questions[i], r)
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

// Decode translates the names of a listing in place.
func (s *Session) Decode(entries []listing.Entry) error {
	cs := s.charset()
	if cs == nil {
		return nil
	}
	for i := range entries {
		if err := decode(cs, &entries[i]); err != nil {
			return fmt.Errorf("the name %q in the listing: %w", entries[i].Name, err)
		}
	}
	return nil
}

package remote

import (
	"context"
	"errors"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Mark is what a server tells of a name at one moment. Two of them show whether a
// file was written in between.
type Mark struct {
	Size    int64     // in bytes; -1 if it is not told
	Time    time.Time // of the last change; zero if it is not told
	Refused bool      // there is SIZE, and not for this name: most likely it is missing
	Denied  bool      // it was refused, and in words of rights
}

// Unmarked is the Mark of a name that nobody has asked about.
var Unmarked = Mark{Size: -1}

// MarkOf asks for the size of a file and, if it is timed, for its time: on a server
// that reads ahead in one go, and on others for the time only if there is a size.
func MarkOf(ctx context.Context, s *Session, name string, timed bool) (Mark, error) {
	if !s.HasSIZE() {
		return Unmarked, nil
	}
	lines, err := markLines(s, name, timed)
	if err != nil {
		return Unmarked, err
	}
	var replies []proto.Reply
	if s.transfers && s.Pipelines() {
		replies, err = s.Transfer().Ask(ctx, lines...)
	} else {
		replies, err = askEach(ctx, s, lines)
	}
	if err != nil {
		return Unmarked, err
	}
	m := sizeMark(replies[0])
	s.Server.learnSIZE(replies[0])
	if len(replies) > 1 {
		m.Time, _ = replies[1].ModTime()
	}
	return m, nil
}

// sizeMark returns the mark that a reply to SIZE is.
func sizeMark(r proto.Reply) Mark {
	refused := r.Code/100 == 5 && !r.Unsupported()
	return Mark{Size: r.Size(), Refused: refused, Denied: refused && r.Denied() && !r.Missing()}
}

// markLines returns the commands that ask for a size and a time.
func markLines(s *Session, name string, timed bool) ([]string, error) {
	verbs := []string{"SIZE"}
	if _, ok := s.Feature("MDTM"); ok && timed {
		verbs = append(verbs, "MDTM")
	}
	return s.lines(name, verbs...)
}

// askEach sends commands that ask something one by one, as long as they are
// answered positively.
func askEach(ctx context.Context, s *Session, lines []string) (replies []proto.Reply, err error) {
	for _, line := range lines {
		r, err := s.ask(ctx, line)
		if err != nil {
			return nil, err
		}
		if replies = append(replies, r); !r.Completed() {
			break
		}
	}
	return replies, nil
}

// Since reports whether a file was written between two marks, the one that is
// given and a later one, beyond doubt: it is there now and was not, or its size or
// its time is another.
func (now Mark) Since(before Mark) bool {
	switch {
	case now.Size < 0:
		return false
	case before.Refused:
		return true
	case before.Size < 0:
		return false
	case before.Size != now.Size:
		return true
	}
	return !before.Time.IsZero() && !now.Time.IsZero() && !now.Time.Equal(before.Time)
}

// Lacks reports whether a name is missing under which a file was stored, as the
// server said: now is its mark. That SIZE was refused proves nothing: there are
// drop boxes that take files and tell nothing of them. The listing must be without
// the name, and SIZE be good for another file in it.
func Lacks(ctx context.Context, s *Session, name string, now Mark) (bool, error) {
	switch {
	case !now.Refused || s.Server.Knows(Untold) == proto.Yes:
		return false, nil
	case now.Denied:
		s.Server.Learn(Untold, true)
		return false, nil
	}
	lacks, told, err := unlisted(ctx, s, name)
	if err == nil && !told {
		s.Server.Learn(Untold, true)
	}
	return lacks, err
}

// unlisted reports whether a name is missing from a listing that tells: if it has
// the name, or a file of which SIZE tells.
func unlisted(ctx context.Context, s *Session, name string) (lacks, told bool, err error) {
	parent, base := Split(name)
	entries, err := s.List(ctx, parent)
	var kind *proto.FSError
	unread := proto.Unread(err)
	if _, ok := Find(entries, base); ok {
		return false, true, nil
	}
	switch {
	case unread != nil && unread.Mentions(base):
		return false, false, nil
	case unread != nil:
	case proto.RefusedAt(err) || errors.As(err, &kind):
		return false, false, nil // whoever may not look cannot know
	case err != nil:
		return false, false, err
	}
	for _, e := range entries {
		if e.Type != listing.TypeFile {
			continue
		}
		n, err := Size(ctx, s, Below(parent, e.Name))
		return n >= 0, n >= 0, err
	}
	return false, false, nil
}

// What is found out about servers that are written to.
const (
	// Untold: nothing can be known of files that are stored, as in a drop box.
	Untold Capability = iota + 64
	// DotNames: a new file may have a name that begins with a dot.
	DotNames
)

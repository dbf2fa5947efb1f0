package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// This file decides whether a listing is whole. A box on the way can end its data
// connection in good order, and the server does not learn of it. There are four
// signs of that, and in the clear, at the end of a line, on a server that does not
// count, there is none.

// listed is what came of one listing, and what it says of itself.
type listed struct {
	line    string
	entries []listing.Entry
	unread  error // the first line that could not be understood
	lines   int   // that came
	inside  bool  // the last line has no end
	sealed  bool  // over TLS
	signed  bool  // which ended with a close_notify
	verdict proto.Reply
}

// counts returns how many lines there should be, if the server says so.
func (l *listed) counts() (int, bool) { return l.verdict.Matches() }

// empty reports whether nothing was listed, and nothing shows that there is
// nothing.
func (l *listed) empty() bool {
	n, told := l.counts()
	return len(l.entries) == 0 && l.unread == nil && !(told && n == l.lines)
}

// doubt returns why a listing may not be whole; empty if nothing speaks against
// it. It learns what the server is known for.
func (s *Session) doubt(l *listed) string {
	if l.signed {
		s.Server.Learn(Signs, true)
	}
	n, told := l.counts()
	switch {
	case told && l.lines < n && s.Server.Knows(Counts) != proto.No:
		return fmt.Sprintf("has %d lines of %d", l.lines, n)
	case l.inside && s.Server.Knows(EndsLines) != proto.No:
		return "ended in the middle of a line"
	case l.sealed && !l.signed && s.Server.Knows(Signs) != proto.No:
		return "ended without a close_notify"
	}
	return ""
}

// listing sends a command and parses what comes. One that may have been cut short
// is asked for once more: what comes twice is how the server lists, but for a
// close_notify that it was seen to send.
func (s *Session) listing(ctx context.Context, line string, format listing.Format, dir string) (*listed, error) {
	first, err := s.listOnce(ctx, line, format, dir)
	if err != nil {
		return nil, err
	}
	why := s.doubt(first)
	if why == "" {
		return first, first.unread
	}
	trace.From(ctx).Notef("%s %s: once more", line, why)
	second, err := s.listOnce(ctx, line, format, dir)
	if err != nil {
		return nil, err
	}
	if why = s.doubt(second); why == "" {
		return second, second.unread
	}
	signs := second.sealed && !second.signed && s.Server.Knows(Signs) == proto.Yes
	if signs || first.lines != second.lines || !slices.EqualFunc(first.entries, second.entries, sameName) {
		return nil, fmt.Errorf("%w: %s %s", proto.ErrShort, line, why)
	}
	s.habits(second)
	return second, second.unread
}

func sameName(a, b listing.Entry) bool { return a.Name == b.Name }

// habits learns how the server ends its listings.
func (s *Session) habits(l *listed) {
	if n, told := l.counts(); told && l.lines < n {
		s.Server.Learn(Counts, false)
	}
	if l.inside {
		s.Server.Learn(EndsLines, false)
	}
	if l.sealed && !l.signed {
		s.Server.Learn(Signs, false)
	}
}

// listOnce lists once.
func (s *Session) listOnce(ctx context.Context, line string, format listing.Format, dir string) (*listed, error) {
	t, err := s.Transfer().Open(ctx, transfer.Request{Line: line, Resumes: true})
	if err != nil {
		return nil, err
	}
	l := &listed{line: line}
	stop := t.Guard(ctx)
	lines := &lineCounter{Reader: t}
	if dir == "" {
		dir = "."
	}
	l.entries, l.unread, err = parseList(lines, listing.Options{Format: format, Location: s.Server.Zone(), Dir: dir})
	stop()
	if errors.Is(err, errHugeList) {
		t.Cut(ctx, err)
		return nil, err
	}
	if err == nil {
		err = io.EOF
	}
	l.lines, l.inside = lines.n, lines.inside
	l.sealed, l.signed = t.Secured(), t.Secured() && !t.Unsigned()
	if err = t.End(ctx, err); err != io.EOF {
		return nil, err
	}
	l.verdict = t.Verdict()
	return l, nil
}

// lineCounter counts the lines that are read, but for blank ones, and notes
// whether the last one has an end.
type lineCounter struct {
	io.Reader
	n      int
	inside bool // a line
	text   bool // it is not blank
}

// Read reads.
func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	for _, c := range p[:n] {
		if c == '\n' {
			l.inside, l.text = false, false
			continue
		}
		l.inside = true
		if c != '\r' && !l.text {
			l.text = true
			l.n++
		}
	}
	return n, err
}

// lookAgain decides about a listing that is empty, and has nothing that says so:
// another command is asked. If that shows something the first is repeated, and the
// word of the other one counts if it stands alone then.
func (s *Session) lookAgain(ctx context.Context, first *listed, format listing.Format, dir, other string) ([]listing.Entry, error) {
	if !first.empty() {
		return first.entries, nil
	}
	trace.From(ctx).Notef("%s showed nothing: %s is asked as well", first.line, other)
	second, err := s.listing(ctx, other, listing.FormatAuto, dir)
	switch {
	case err == nil && len(second.entries) == 0:
		return nil, nil
	case proto.RefusedAt(err) && proto.ReplyOf(err).EmptyDir():
		return nil, nil
	case err != nil && second == nil && !proto.RefusedAt(err):
		return nil, err
	}
	third, terr := s.listing(ctx, first.line, format, dir)
	switch {
	case terr != nil:
		return nil, terr
	case len(third.entries) > 0 || second == nil:
		return third.entries, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %s shows nothing, and %s does", proto.ErrShort, first.line, other)
	}
	return second.entries, nil
}

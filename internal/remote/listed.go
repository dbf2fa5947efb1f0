package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

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
	unread  *proto.ListingError // lines that could not be understood; nil if there are none
	self    bool                // there was an entry of the directory itself
	lines   int                 // that came
	last    string              // what came of a last line that has no end, up to lastBytes
	sealed  bool                // over TLS
	signed  bool                // which ended with a close_notify
	verdict proto.Reply
	raw     []byte // as it came; nil if that is not kept
}

// came returns what a listing says of itself that was read through lines, before
// its transfer has ended.
func came(t *transfer.Transfer, lines *lineCounter) *listed {
	return &listed{
		line:   t.Line(),
		lines:  lines.n,
		last:   lines.left(),
		sealed: t.Secured(),
		signed: t.Secured() && !t.Unsigned(),
	}
}

// inside reports whether the last line has no end.
func (l *listed) inside() bool { return l.last != "" }

// counts returns how many lines there should be, if the server says so.
func (l *listed) counts() (int, bool) { return l.verdict.Matches() }

// empty reports whether nothing was listed, and nothing shows that there is
// nothing.
func (l *listed) empty() bool {
	n, told := l.counts()
	return l.nothing() && !(told && n == l.lines) && !l.verdict.EmptyDir()
}

// noteUnsure notes that a listing may be cut all the same, if nothing shows that it
// is not.
func (l *listed) noteUnsure(ctx context.Context) {
	if _, told := l.counts(); !told && !l.signed {
		trace.From(ctx).Notef("%s: nothing but its %03d says that the listing is whole", l.line, l.verdict.Code)
	}
}

// inLine says of a listing that its last line has no end.
const inLine = "ended in the middle of a line"

// doubt returns why a listing may not be whole; empty if nothing speaks against
// it. It learns what the server is known for.
func (d directory) doubt(l *listed) string {
	if l.signed {
		d.Server.Learn(Signs, true)
	}
	if !l.inside() && l.lines > 0 && d.Server.Knows(EndsLines) == proto.Unknown {
		d.Server.Learn(EndsLines, true)
	}
	n, told := l.counts()
	switch {
	case told && l.lines < n:
		return fmt.Sprintf("has %d lines of %d", l.lines, n)
	case l.inside():
		return inLine
	case l.sealed && !l.signed && d.Server.Knows(Signs) != proto.No:
		return "ended without a close_notify"
	}
	return ""
}

// listing sends a command and parses what comes. One that may have been cut short
// is asked for once more: what comes twice is how the server lists, but for a
// close_notify that it was seen to send, for lines that it has counted, and for a
// last line whose name is none.
func (d directory) listing(ctx context.Context, line string, format listing.Format) (*listed, error) {
	first, err := d.listOnce(ctx, line, format)
	if err != nil {
		return nil, err
	}
	why := d.doubt(first)
	if why == inLine && d.Server.Knows(EndsLines) == proto.No {
		there, err := d.lastIsThere(ctx, first)
		if there || err != nil {
			return first, err
		}
	}
	if why == "" {
		first.noteUnsure(ctx)
		return first, nil
	}
	trace.From(ctx).Notef("%s %s: once more", line, why)
	second, err := d.listOnce(ctx, line, format)
	if err != nil {
		return nil, err
	}
	if why = d.doubt(second); why == "" {
		return second, nil
	}
	habit, err := d.habit(ctx, first, second)
	if err != nil {
		return nil, err
	}
	if !habit {
		return nil, fmt.Errorf("%w: %s %s", proto.ErrShort, line, why)
	}
	return second, nil
}

// habit reports whether two listings that may have been cut short show how the
// server ends them, and learns that.
func (d directory) habit(ctx context.Context, first, second *listed) (bool, error) {
	n, told := second.counts()
	unsigned := second.sealed && !second.signed
	same := first.lines == second.lines && first.last == second.last && slices.EqualFunc(first.entries, second.entries, sameName)
	if !same || told && second.lines < n || unsigned && d.Server.Knows(Signs) == proto.Yes {
		return false, nil
	}
	if second.inside() {
		if d.Server.Knows(EndsLines) == proto.Yes {
			return false, nil
		}
		if there, err := d.lastIsThere(ctx, second); !there || err != nil {
			return false, err
		}
		d.Server.Learn(EndsLines, false)
	}
	if unsigned {
		d.Server.Learn(Signs, false)
	}
	return true, nil
}

func sameName(a, b listing.Entry) bool { return a.Name == b.Name }

// lastIsThere reports whether the last line of a listing, which has no end, has a
// whole name all the same: that of something that is there. A box that cuts a
// listing cuts it in the same place again.
func (d directory) lastIsThere(ctx context.Context, l *listed) (bool, error) {
	if len(l.entries) == 0 {
		return false, nil
	}
	e := l.entries[len(l.entries)-1]
	ends := e.Name
	if e.Target != "" {
		ends = e.Target
	}
	wire, err := d.Encode(ends)
	if err != nil || !strings.HasSuffix(l.last, wire) && !strings.HasSuffix(l.last, ends) {
		return false, nil
	}
	if at, err := d.Encode(d.name); err != nil || d.name != "" && !strings.HasSuffix(l.line, " "+at) {
		return d.isHere(ctx, e.Name)
	}
	_, err = probe(ctx, d.Session, Below(d.name, e.Name), e)
	if errors.Is(err, proto.ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// isHere reports whether something in the working directory has a name. That is
// d, and stays so.
func (d directory) isHere(ctx context.Context, name string) (bool, error) {
	n, err := Size(ctx, d.Session, name)
	if n >= 0 || err != nil {
		return err == nil, err
	}
	home, err := d.home(ctx)
	if home == "" || err != nil {
		return false, err
	}
	if err = d.command(ctx, "CWD", name); err != nil {
		if proto.RefusedAt(err) {
			err = nil
		}
		return false, err
	}
	return true, d.command(ctx, "CWD", path.Join(home, d.name))
}

// listOnce lists once.
func (d directory) listOnce(ctx context.Context, line string, format listing.Format) (*listed, error) {
	t, err := d.Transfer().Open(ctx, transfer.Request{Line: line, Resumes: true})
	if err != nil {
		return nil, err
	}
	stop := t.Guard(ctx)
	lines := &lineCounter{Reader: t}
	var raw bytes.Buffer
	var in io.Reader = lines
	if d.raw {
		in = io.TeeReader(lines, &raw)
	}
	entries, unread, self, err := parseList(in, listing.Options{Format: format, Location: d.Server.Zone(), Dir: d.shown()}, d.Server.charset, d.charset() == nil)
	stop()
	foreign := errors.Is(err, errNotUTF8)
	if foreign {
		err = nil
	}
	if errors.Is(err, errHugeList) {
		t.Cut(ctx, err)
		return nil, err
	}
	if err == nil {
		err = io.EOF
	}
	l := came(t, lines)
	if err = t.End(ctx, err); err != io.EOF {
		return nil, err
	}
	l.entries, l.unread, l.self, l.verdict, l.raw = entries, unread, self, t.Verdict(), raw.Bytes()
	if foreign {
		trace.From(ctx).Notef("%s: %v: Dialer.Charset is used", line, errNotUTF8)
		d.Server.Learn(NotUTF8, true)
		return d.listOnce(ctx, line, format)
	}
	return l, nil
}

// lastBytes is how much of a line is kept to compare it, in bytes.
const lastBytes = 1024

// lineCounter counts the lines that are read, but for blank ones, and keeps what
// came of the last one as long as it has no end.
type lineCounter struct {
	io.Reader
	n    int
	last []byte
	text bool // it is not blank
	over bool // nothing more comes
}

// left returns what came of a last line that has no end. Some end all of a listing
// with a NUL, or Ctrl-Z.
func (l *lineCounter) left() string { return strings.TrimRight(string(l.last), "\x00\x1a") }

// Read reads.
func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.over = err != nil
	for rest := p[:n]; len(rest) > 0; {
		line, more, ended := bytes.Cut(rest, []byte{'\n'})
		if !l.text && len(bytes.Trim(line, "\r")) > 0 {
			l.text = true
			l.n++
		}
		if ended {
			l.last, l.text = l.last[:0], false
		} else {
			l.last = append(l.last, line[max(0, len(line)-lastBytes):]...)
			l.last = l.last[max(0, len(l.last)-lastBytes):]
		}
		rest = more
	}
	return n, err
}

// lookAgain decides about a listing that is empty, and has nothing that says so:
// another command is asked. If that shows something the first is repeated, and the
// word of the other one counts if it stands alone then.
func (d directory) lookAgain(ctx context.Context, first *listed, format listing.Format, other string) (*listed, error) {
	if !first.empty() {
		return first, nil
	}
	trace.From(ctx).Notef("%s showed nothing: %s is asked as well", first.line, other)
	second, err := d.listing(ctx, other, listing.FormatAuto)
	switch {
	case err == nil && len(second.entries) == 0 && second.unread == nil:
		return first, nil
	case proto.RefusedAt(err) && proto.ReplyOf(err).EmptyDir():
		return first, nil
	case err != nil && !proto.RefusedAt(err):
		return nil, err
	}
	third, terr := d.listing(ctx, first.line, format)
	switch {
	case terr != nil:
		return nil, terr
	case len(third.entries) > 0 || second == nil:
		return third, nil
	}
	return second, nil
}

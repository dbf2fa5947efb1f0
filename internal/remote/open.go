package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// ErrUnclear says that a listing does not show by itself what is in a directory:
// List asks further.
var ErrUnclear = errors.New("the listing does not tell by itself what is in the directory")

// Listing is a listing that is read as it comes. It is for one goroutine at a time,
// and has to be ended by End or Stop.
type Listing struct {
	*transfer.Transfer
	d       directory
	machine bool // it is one of MLSD
	lines   *lineCounter
	in      *listing.Reader
	ahead   []listing.Entry // read already
	home    string          // see leave
	inside  bool            // the working directory has to be left

	entries int
	first   string // name
	unread  *proto.ListingError
}

// Streams reports whether listings of the server can be read as they come. Whether
// one is in a charset is known at its end.
func (s *Server) Streams() bool { return s.charset == nil }

// open opens a listing: see OpenList.
func (d directory) open(ctx context.Context) (*Listing, error) {
	l := &Listing{d: d, machine: d.HasMLSD(), unread: &proto.ListingError{Dir: d.shown()}}
	wire, err := d.Encode(d.name)
	if err != nil {
		return nil, err
	}
	line, byName := d.listHereLine(), PlainName(wire) && d.Server.Knows(ListArg) == proto.Yes && d.Server.Knows(DashA) != proto.Unknown
	format := listing.FormatAuto
	if l.machine {
		pattern := strings.ContainsAny(d.name, "*?[")
		line, byName, format = "MLSD", d.Server.Knows(MLSDArg) != proto.No && (!pattern || d.Server.Knows(MLSDGlobs) == proto.No), listing.FormatMLSx
	}
	switch {
	case d.name == "":
	case byName:
		line += " " + wire
	default:
		if l.home, err = d.enter(ctx, wire); err != nil {
			return nil, refused(err)
		}
		l.inside = true
	}
	if l.Transfer, err = d.Transfer().Open(ctx, transfer.Request{Line: line, Resumes: true}); err != nil {
		return nil, errors.Join(refused(err), l.leave(ctx))
	}
	l.lines = &lineCounter{Reader: l.Transfer}
	o := listing.Options{Format: format, Location: d.Server.Zone(), Dir: l.unread.Dir, Certain: true}
	l.in = listing.NewParser(o).Reader(l.lines)
	return l, nil
}

// refused returns ErrUnclear for what the server refuses: List finds out why.
func refused(err error) error {
	if proto.RefusedAt(err) {
		return ErrUnclear
	}
	return err
}

// Ready reports whether lines are there that Next has not returned yet.
func (l *Listing) Ready() bool { return len(l.ahead) > 0 || l.in.Ready() }

// Next returns the next entry, whose texts are those of the lines. io.EOF says that
// no more comes: End has to tell what that means.
func (l *Listing) Next() (listing.Entry, error) {
	if n := len(l.ahead); n > 0 {
		e := l.ahead[0]
		l.ahead = l.ahead[1:]
		return e, nil
	}
	e, err := l.next()
	if err == nil && l.entries == 1 && !l.machine && l.d.Server.Knows(DashA) == proto.Unknown {
		return l.options(e)
	}
	return e, err
}

// options returns the first entry if what follows shows that the server takes
// options for what they are: a file may have their name.
func (l *Listing) options(first listing.Entry) (listing.Entry, error) {
	second, err := l.next()
	switch {
	case err == nil:
		l.ahead = append(l.ahead, second)
	case err != io.EOF:
		return first, err
	case first.Name == "-a":
		return first, ErrUnclear
	}
	l.d.Server.Learn(DashA, true)
	return first, nil
}

// next reads a line, or several.
func (l *Listing) next() (listing.Entry, error) {
	for {
		e, err := l.in.Next()
		var le *listing.LineError
		switch {
		case err == nil && l.machine && e.Type == listing.TypeUnknown, l.machine && errors.As(err, &le):
			return e, ErrUnclear
		case err == nil && l.lines.over && l.lines.left() != "":
			return e, ErrUnclear // of a line that has no end: its name may have none either
		case errors.As(err, &le):
			l.unread.Add(le.Line, le.Reason)
			continue
		case err == nil:
			if l.entries++; l.entries == 1 {
				l.first = e.Name
			}
		}
		return e, err
	}
}

// End ends the listing, of which Next has returned err, and returns nil if it is
// whole, or a [*proto.ListingError] if it is but for lines that were not
// understood.
func (l *Listing) End(ctx context.Context, err error) error {
	if err == ErrUnclear {
		l.Stop(ctx)
		return err
	}
	got := came(l.Transfer, l.lines)
	if l.unread.Count() > 0 {
		got.unread = l.unread
	}
	err = l.Transfer.End(ctx, err)
	byName := !l.inside
	if left := l.leave(ctx); err == io.EOF && left != nil {
		err = left
	}
	if err != io.EOF {
		return err
	}
	got.verdict = l.Verdict()
	if why := l.d.doubt(got); why != "" {
		return fmt.Errorf("%w: %s %s", proto.ErrShort, got.line, why)
	}
	alone := l.entries == 1 && !l.machine && byName && l.first == BaseName(l.d.name)
	if alone || l.entries == 0 && got.empty() {
		return ErrUnclear
	}
	got.noteUnsure(ctx)
	if l.machine && l.d.name != "" && byName {
		l.d.Server.Learn(MLSDArg, true)
	}
	if got.unread != nil {
		return got.unread
	}
	return nil
}

// Stop ends the listing before its end.
func (l *Listing) Stop(ctx context.Context) {
	l.Abandon(ctx)
	_ = l.leave(ctx) // it drops the connection where it fails
}

// leave leaves the directory, if it was entered.
func (l *Listing) leave(ctx context.Context) error {
	if !l.inside {
		return nil
	}
	l.inside = false
	return l.d.leave(ctx, l.home)
}

package remote

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// List returns the content of a directory, sorted by name. It is complete, or
// there is an error. A [*proto.ListingError] comes together with all entries that
// could be understood.
func (s *Session) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	start, epoch := time.Now(), s.Server.Epoch()
	got, err := s.listAny(ctx, dir)
	if err != nil || got == nil {
		return nil, err
	}
	entries := Sort(got.entries)
	if !s.HasMLST() {
		s.Server.Keep(dir, entries, time.Since(start), epoch)
	}
	if got.unread != nil {
		return entries, got.unread
	}
	return entries, nil
}

// listAny lists by MLSD if the server has that, else by LIST. There is no listing
// if a refusal says that there is nothing.
func (s *Session) listAny(ctx context.Context, dir string) (*listed, error) {
	if !s.HasMLSD() {
		return s.listPlain(ctx, dir)
	}
	line, err := s.Line("MLSD", dir)
	if err != nil {
		return nil, err
	}
	got, err := s.listing(ctx, line, listing.FormatMLSx, dir)
	switch r := proto.ReplyOf(err); {
	case err == nil && got.unclear() > 0:
		return s.clearer(ctx, got, dir)
	case err == nil:
		return s.lookAgain(ctx, got, listing.FormatMLSx, dir, s.otherThanMLSD(line, dir))
	case proto.RefusedAt(err) && (r.Unsupported() || r.Code == 501):
	case proto.RefusedAt(err) && !retry.Worth(err):
		return nil, s.Explain(ctx, OpList, dir, err)
	default:
		return nil, err
	}
	plain, err := s.listPlain(ctx, dir)
	if err == nil {
		s.Server.Learn(MLSD, false)
	}
	return plain, err
}

// clearer returns a listing by LIST if that tells more than one by MLSD: Serv-U
// and others have an MLSD that tells less.
func (s *Session) clearer(ctx context.Context, got *listed, dir string) (*listed, error) {
	plain, err := s.listPlain(ctx, dir)
	switch {
	case err != nil && got.unread != nil && proto.RefusedAt(err):
		return got, nil
	case err != nil:
		return nil, err
	case plain == nil || plain.unclear() >= got.unclear() || len(plain.entries) < len(got.entries) && got.unread == nil:
		return got, nil
	}
	if plain.unclear() == 0 {
		s.Server.Learn(MLSD, false)
	}
	return plain, nil
}

// otherThanMLSD returns a command to ask instead of MLSD: LIST, or MLSD again if
// LIST would take the name for something else.
func (s *Session) otherThanMLSD(line, dir string) string {
	wire, err := s.Encode(dir)
	if err != nil || !PlainName(wire) {
		return line
	}
	other := listLine(proto.Yes)
	if s.Server.Knows(DashA) == proto.No {
		other = listLine(proto.No)
	}
	return strings.TrimSuffix(other+" "+wire, " ")
}

// unclear counts what a listing has and does not tell what it is.
func (l *listed) unclear() int {
	n := l.unread.Count()
	for _, e := range l.entries {
		if e.Type == listing.TypeUnknown {
			n++
		}
	}
	return n
}

// listPlain lists by LIST.
func (s *Session) listPlain(ctx context.Context, dir string) (*listed, error) {
	if dir == "" {
		return s.listHere(ctx, dir, false)
	}
	wire, err := s.Encode(dir)
	if err != nil {
		return nil, err
	}
	var named []listing.Entry // by the name; nil if that was not tried, or is worth nothing
	empty := false
	if line := listLine(s.Server.Knows(DashA)); line != "" && PlainName(wire) && s.Server.Knows(ListArg) != proto.No {
		got, err := s.listing(ctx, line+" "+wire, listing.FormatAuto, dir)
		switch {
		case err == nil && !Doubtful(got.entries, wire) && s.obeysName(got.entries):
			return got, nil
		case err == nil && !Doubtful(got.entries, wire):
			named = got.entries
		case err == nil:
			empty = got.nothing()
		case proto.ReplyOf(err).Unopened():
			return nil, s.Explain(ctx, OpList, dir, err)
		case retry.Worth(err) && !proto.ReplyOf(err).Missing() || ctx.Err() != nil:
			return nil, err
		}
	}
	var here *listed
	entered, err := s.inside(ctx, wire, func() (err error) {
		here, err = s.listHere(ctx, dir, empty)
		return err
	})
	if !entered && proto.RefusedAt(err) && !retry.Worth(err) {
		return nil, s.Explain(ctx, OpList, dir, err)
	}
	if err == nil && named != nil {
		s.compareNamed(ctx, dir, named, here.list())
	}
	return here, err
}

// nothing reports whether nothing came that might be an entry.
func (l *listed) nothing() bool { return len(l.entries) == 0 && l.unread == nil }

// list returns the entries of a listing, of which there may be none.
func (l *listed) list() []listing.Entry {
	if l == nil {
		return nil
	}
	return l.entries
}

// obeysName reports whether the listing of a directory by its name is one of that
// directory: some routers list the working directory whatever LIST names. It is
// found out once, by comparing with that one or, if that has not been listed just
// now, with what is listed inside.
func (s *Session) obeysName(entries []listing.Entry) bool {
	if known := s.Server.Knows(ListArg); known != proto.Unknown {
		return known == proto.Yes
	}
	here, ok := s.Server.Recall("")
	if !ok || len(here) == 0 {
		return false
	}
	for _, e := range entries {
		if same, ok := Find(here, e.Name); ok && same.Type == e.Type && same.Size == e.Size {
			return false
		}
	}
	s.Server.Learn(ListArg, true)
	return true
}

// compareNamed learns from two listings of a directory, by its name and inside.
func (s *Session) compareNamed(ctx context.Context, dir string, named, inside []listing.Entry) {
	byName := func(a, b listing.Entry) int { return strings.Compare(a.Name, b.Name) }
	a, b := slices.SortedFunc(slices.Values(named), byName), slices.SortedFunc(slices.Values(inside), byName)
	same := slices.EqualFunc(a, b, sameName)
	if here, ok := s.Server.Recall(""); ok && same && slices.EqualFunc(a, here, sameName) {
		return // it may be either
	}
	s.Server.Learn(ListArg, same)
	if !same {
		trace.From(ctx).Notef("the listing of %s by its name is not that of the directory: it is entered for that", dir)
	}
}

// Doubtful reports whether a listing may be that of something else than the
// directory that was named: of a file or a link, or of nothing.
func Doubtful(entries []listing.Entry, dir string) bool {
	return len(entries) == 0 || len(entries) == 1 && entries[0].Name == BaseName(dir)
}

// inside calls f with the working directory changed. It reports whether the
// server has changed it: if not, the error is the refusal.
func (s *Session) inside(ctx context.Context, wire string, f func() error) (entered bool, err error) {
	home, err := s.home(ctx)
	if err != nil {
		return false, err
	}
	if _, err := s.Want(ctx, 2, "CWD "+wire); err != nil {
		return false, err
	}
	err = f()
	if home != "" && ctx.Err() == nil {
		if _, back := s.Want(ctx, 2, "CWD "+home); back == nil {
			return true, err
		}
	}
	again := s.Home(ctx)
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	if err == nil {
		err = again
	}
	return true, err
}

// home returns the name of the session's directory; empty if the server does not
// tell it in a form that CWD surely takes.
func (s *Session) home(ctx context.Context) (string, error) {
	if home := s.Server.homeDir(); home != "" {
		return home, nil
	}
	r, err := s.Do(ctx, "PWD")
	if err != nil {
		return "", err
	}
	home := control.ParseDir(r)
	if !strings.HasPrefix(home, "/") {
		return "", nil
	}
	s.Server.setHome(home)
	return home, nil
}

// listHere lists the working directory, which is dir, with dot files. looked says
// that it was seen to be empty by another command.
func (s *Session) listHere(ctx context.Context, dir string, looked bool) (*listed, error) {
	if line := listLine(s.Server.Knows(DashA)); line != "" {
		got, err := s.listNone(ctx, dir, line)
		if err != nil || got == nil {
			return nil, err
		}
		if looked {
			return got, nil
		}
		other := otherThan(line)
		if got.lines == 0 {
			other = line // which may have "." to show
		}
		return s.lookAgain(ctx, got, listing.FormatAuto, dir, other)
	}
	all, err := s.listing(ctx, listLine(proto.Yes), listing.FormatAuto, dir)
	if err != nil && !proto.RefusedAt(err) {
		return nil, err
	}
	if err == nil && (len(all.entries) > 1 || len(all.entries) == 1 && all.entries[0].Name != "-a") {
		s.Server.Learn(DashA, true)
		return all, nil
	}
	// It was taken for a name, or the directory is empty.
	got, err := s.listNone(ctx, dir, listLine(proto.No))
	switch {
	case err != nil || got == nil:
		return nil, err
	case got.nothing():
	case all == nil || len(all.entries) > 0:
		if all == nil || len(got.entries) > len(all.entries) {
			s.Server.Learn(DashA, false)
		}
	default:
		// Taken for a name that lists as nothing, or cut short.
		again, aerr := s.listing(ctx, listLine(proto.Yes), listing.FormatAuto, dir)
		switch {
		case aerr != nil && !proto.RefusedAt(aerr):
			return nil, aerr
		case aerr == nil && len(again.entries) >= len(got.entries):
			s.Server.Learn(DashA, true)
			return again, nil
		}
		s.Server.Learn(DashA, false)
	}
	return got, nil
}

// listNone lists the working directory, which is dir. A refusal may say that it
// is empty: there is neither a listing nor an error then.
func (s *Session) listNone(ctx context.Context, dir, line string) (*listed, error) {
	got, err := s.listing(ctx, line, listing.FormatAuto, dir)
	switch r := proto.ReplyOf(err); {
	case err == nil:
		return got, nil
	case !proto.RefusedAt(err):
		return nil, err
	case r.EmptyDir():
		return nil, nil
	case dir == "" && !r.Unopened() || retry.Worth(err):
		return nil, err
	}
	return nil, s.Explain(ctx, OpList, dir, err)
}

package remote

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// maxLinks is how many symbolic links in a row are followed.
const maxLinks = 16

// Stat describes what a name leads to. If that takes a listing, recent allows
// one from the cache.
func Stat(ctx context.Context, s *Session, name string, recent bool) (listing.Entry, error) {
	at := name
	for range maxLinks {
		e, err := Lookup(ctx, s, at, recent)
		if err != nil || e.Type != listing.TypeLink {
			e.Name = BaseName(name)
			return e, err
		}
		if e.Target == "" {
			return probe(ctx, s, at, e)
		}
		if at, err = follow(ctx, s, at, e.Target); err != nil {
			return e, err
		}
	}
	return listing.Entry{}, errors.New("too many levels of symbolic links")
}

// follow returns where a link leads to, from the directory of the session. A
// path that leads out of it stays as it is.
func follow(ctx context.Context, s *Session, link, target string) (string, error) {
	if !strings.HasPrefix(target, "/") {
		parent, _ := Split(link)
		return Slashed(path.Join(parent, target)), nil
	}
	home, err := s.home(ctx)
	if err != nil {
		return "", err
	}
	target = path.Clean(target)
	if rest, ok := strings.CutPrefix(target+"/", strings.TrimSuffix(home, "/")+"/"); ok && home != "" {
		return strings.TrimSuffix(rest, "/"), nil
	}
	return target, nil
}

// hidden describes what stands under a name that its directory's listing does not
// show: servers hide names, and it is missing only if SIZE, CWD and MDTM all say
// no. What is found has neither mode nor owner.
func hidden(ctx context.Context, s *Session, name string) (listing.Entry, error) {
	e, err := probe(ctx, s, name, listing.Entry{Name: BaseName(name)})
	_, times := s.Feature("MDTM")
	if !errors.Is(err, proto.ErrMissing) || !times {
		return e, err
	}
	if terr := ModTime(ctx, s, name, &e); terr != nil || e.Absolute {
		return e, terr
	}
	return e, err
}

// probe finds out what a link leads to if the server does not say where, or what
// stands under a name without a listing, by SIZE and CWD.
func probe(ctx context.Context, s *Session, name string, e listing.Entry) (listing.Entry, error) {
	n, err := Size(ctx, s, name)
	if err != nil {
		return e, err
	}
	e.Type, e.Size, e.HasMode = listing.TypeFile, n, false
	if n >= 0 {
		return e, ModTime(ctx, s, name, &e)
	}
	wire, err := s.Encode(name)
	if err != nil {
		return e, err
	}
	entered, refused := s.inside(ctx, wire, func() error { return nil })
	if entered || !proto.RefusedAt(refused) {
		e.Type, e.Size = listing.TypeDir, 0
		return e, refused
	}
	return e, absent(refused)
}

// Lookup describes what stands under a name. Some servers follow a symbolic link
// all the same: see Lstat.
func Lookup(ctx context.Context, s *Session, name string, recent bool) (listing.Entry, error) {
	if s.HasMLST() {
		e, known, err := mlst(ctx, s, name)
		if known || err != nil {
			return e, err
		}
	}
	switch {
	case name == "":
		return listing.Entry{Name: ".", Type: listing.TypeDir}, nil
	case leadsOut(name):
		return probe(ctx, s, name, listing.Entry{Name: BaseName(name)})
	}
	return inParent(ctx, s, name, recent, func() (listing.Entry, error) { return hidden(ctx, s, name) })
}

// Lstat is Lookup for callers that must know a link from what it leads to: some
// servers follow it in MLST and not in MLSD.
func Lstat(ctx context.Context, s *Session, name string) (listing.Entry, error) {
	e, err := Lookup(ctx, s, name, false)
	if err != nil || e.Type == listing.TypeLink || name == "" || !s.HasMLST() || s.Server.Knows(ShowsLinks) == proto.Yes {
		return e, err
	}
	return inParent(ctx, s, name, false, func() (listing.Entry, error) { return hidden(ctx, s, name) })
}

// ReadLink returns where a symbolic link leads. Many servers do not tell in MLST
// and MLSD, and do so in LIST.
func ReadLink(ctx context.Context, s *Session, name string) (target string, err error) {
	e, err := Lstat(ctx, s, name)
	switch {
	case err != nil:
		return "", err
	case e.Type != listing.TypeLink:
		return "", &proto.FSError{Kind: fs.ErrInvalid}
	case e.Target != "":
		return e.Target, nil
	}
	parent, base := Split(name)
	plain, err := directory{Session: s, name: parent}.plain(ctx)
	if err != nil && !proto.RefusedAt(err) {
		return "", err
	}
	for _, e := range plain.list() {
		if e.Name == base && e.Target != "" {
			return e.Target, nil
		}
	}
	return "", proto.Unable("the server does not tell where the link points")
}

// Exists reports whether something stands under a name.
func Exists(ctx context.Context, s *Session, name string) (bool, error) {
	_, err := Lookup(ctx, s, name, false)
	if errors.Is(err, proto.ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// inParent describes what stands under a name in its parent's listing, or that has
// no such name but is there. If recent is not set, a listing that was kept is used
// for what SIZE and MDTM still say of the name. hidden has the word on a name that is
// not in the listing.
func inParent(ctx context.Context, s *Session, name string, recent bool, hidden func() (listing.Entry, error)) (listing.Entry, error) {
	parent, base := Split(name)
	if e, ok, err := inKept(ctx, s, name, recent); ok || err != nil {
		return e, err
	}
	entries, err := s.List(ctx, parent)
	unread := proto.Unread(err)
	switch {
	case unread != nil:
	case errors.Is(err, proto.ErrNotDir):
		return listing.Entry{}, absent(err) // the parent is a file
	case errors.Is(err, proto.ErrMissing), proto.IsTemporary(err):
		return listing.Entry{}, err
	case shut(err), errors.Is(err, proto.ErrTruncated):
		return unlistedHere(ctx, s, name, err)
	case err != nil:
		return listing.Entry{}, err
	}
	e, ok := Find(entries, base)
	if ok {
		return sized(ctx, s, name, e)
	}
	e, err = hidden()
	if unread != nil && unread.Mentions(base) && errors.Is(err, proto.ErrMissing) {
		return e, unread // which may be the line of it
	}
	return e, err
}

// unlistedHere describes what stands under a name in a directory that may not be
// listed, or not whole, as refused says: what may not be listed may be read. It is
// missing only where SIZE is known to tell of files, and the directory can be entered,
// so that it could tell of this one.
func unlistedHere(ctx context.Context, s *Session, name string, refused error) (listing.Entry, error) {
	parent, base := Split(name)
	e, none := probe(ctx, s, name, listing.Entry{Name: base})
	switch {
	case !errors.Is(none, proto.ErrMissing):
		return e, none
	case trimmed(base):
		return e, untold{refused}
	}
	if tells, err := sizes(ctx, s); err != nil || !tells {
		return e, errors.Join(err, untold{refused})
	}
	now, err := MarkOf(ctx, s, name, false)
	if err != nil {
		return e, err
	}
	if err := ModTime(ctx, s, name, &e); err != nil {
		return e, err
	}
	if !now.Refused || now.Denied || e.Absolute {
		return e, untold{refused}
	}
	if parent != "" {
		wire, err := s.Encode(parent)
		if err != nil {
			return e, err
		}
		entered, err := s.inside(ctx, wire, func() error { return nil })
		switch {
		case !entered && proto.RefusedAt(err):
			return e, untold{refused}
		case err != nil:
			return e, err
		}
	}
	return e, none
}

// untold is the refusal of a listing where nothing else is told of a name.
type untold struct{ error }

// Unwrap returns it.
func (e untold) Unwrap() error { return e.error }

// Unlisted returns what is to be taken for a file that may be read all the same,
// if err is that of a name of which the server tells nothing because nothing may be
// listed: RETR has the last word.
func Unlisted(name string, err error) (e listing.Entry, ok bool) {
	var none untold
	return listing.Entry{Name: BaseName(name), Type: listing.TypeFile, Size: -1}, errors.As(err, &none)
}

// inKept describes what stands under a name in a listing that was kept. If recent
// is not set, the server is asked whether it is still so, which takes a round trip
// if it reads ahead: it must be a file then. A directory that is too large to be
// kept is not listed again for a file that is told of.
func inKept(ctx context.Context, s *Session, name string, recent bool) (e listing.Entry, ok bool, err error) {
	parent, base := Split(name)
	if recent {
		if entries, fresh := s.Server.Recall(parent); fresh {
			if e, ok = Find(entries, base); ok {
				e, err = sized(ctx, s, name, e)
				return e, err == nil, err
			}
		}
	}
	entries, huge := s.Server.remember(parent)
	e, known := Find(entries, base)
	if !known && !huge || known && (e.Type != listing.TypeFile || e.Size < 0) || !AsksOf(s, name) {
		return e, false, nil
	}
	now, told, err := quick(ctx, s, name)
	switch {
	case err != nil || !told || !now.Absolute:
		return e, false, err
	case !known:
		return now, true, nil
	}
	return dated(e, now), now.Size == e.Size && SameTime(e, now), nil
}

// sized completes an entry whose size the listing does not tell.
func sized(ctx context.Context, s *Session, name string, e listing.Entry) (listing.Entry, error) {
	if e.Size >= 0 || e.Type != listing.TypeFile {
		return e, nil
	}
	n, err := Size(ctx, s, name)
	e.Size = n
	return e, err
}

// mlst asks for one entry (RFC 3659, 7). It is not known if the server's answer
// is of no use.
func mlst(ctx context.Context, s *Session, name string) (e listing.Entry, known bool, err error) {
	line, err := s.Line("MLST", name)
	if err != nil {
		return e, false, err
	}
	r, err := s.ask(ctx, line)
	if err != nil {
		return e, false, err
	}
	return s.ParseMLST(name, line, r)
}

// ParseMLST returns the entry of a name in the reply to MLST, which was sent as
// line. It is not known if the reply is of no use. An error that is
// proto.ErrMissing is known, too.
func (s *Session) ParseMLST(name, line string, r proto.Reply) (e listing.Entry, known bool, err error) {
	switch {
	case r.Code/100 == 4 && !r.Missing():
		return e, false, proto.Refusal(line, r)
	case r.Code/100 == 4:
		return e, false, nil
	case r.Unsupported() || r.Completed() && len(r.Lines) < 3:
		s.Server.Learn(MLST, false)
		return e, false, nil
	case !r.Completed() && r.Missing():
		return e, true, absent(proto.Refusal(line, r))
	case !r.Completed():
		return e, false, nil
	}
	e, err = listing.ParseMLSx(strings.TrimRight(r.Lines[1], "\r"))
	if err != nil || e.Type == listing.TypeUnknown || e.Type == listing.TypeFile && e.Size < 0 {
		s.Server.Learn(MLST, false)
		return e, false, nil
	}
	switch e.Type {
	case listing.TypeLink:
		s.Server.Learn(ShowsLinks, true)
	case listing.TypeCurrent, listing.TypeParent:
		e.Type = listing.TypeDir
	}
	e.Name = BaseName(name)
	if cs := s.charset(); cs != nil && e.Target != "" {
		e.Target, err = cs.Decode(e.Target)
	}
	return e, true, err
}

// QuickStat describes a file in one round trip, by its size and, if that comes
// along, its time. It is for servers without MLST, where all else is in the
// parent's listing. A name that has a size is taken for a file; a few servers
// tell one of a directory too. QuickStat reports whether there is such a file.
func QuickStat(ctx context.Context, s *Session, name string) (e listing.Entry, ok bool, err error) {
	parent, _ := Split(name)
	if _, listed := s.Server.Recall(parent); listed || s.HasMLST() || !AsksOf(s, name) {
		return e, false, nil
	}
	return quick(ctx, s, name)
}

// quick asks for the size and the time of a name, in one go if the server takes
// that; otherwise for the size alone. It reports whether there is a size.
func quick(ctx context.Context, s *Session, name string) (e listing.Entry, ok bool, err error) {
	e = listing.Entry{Name: BaseName(name), Type: listing.TypeFile}
	if !s.Pipelines() {
		e.Size, err = Size(ctx, s, name)
		return e, e.Size >= 0, err
	}
	lines, err := s.lines(name, "SIZE", "MDTM")
	if err != nil {
		return e, false, err
	}
	replies, err := s.Transfer().Ask(ctx, lines...)
	if err != nil {
		return e, false, err
	}
	s.Server.learnSIZE(replies[0])
	e.Size = replies[0].Size()
	setTime(&e, replies[1])
	return e, e.Size >= 0, nil
}

// Told returns the size of a file and its time, in one go if the server takes that,
// and reports whether there is a size.
func Told(ctx context.Context, s *Session, name string) (e listing.Entry, ok bool, err error) {
	e, ok, err = quick(ctx, s, name)
	if err == nil && ok && !s.Pipelines() {
		err = ModTime(ctx, s, name, &e)
	}
	return e, ok, err
}

// AsksOf reports whether SIZE and MDTM are a good way to ask about a name. Without
// its time a file could not be told from a later one.
func AsksOf(s *Session, name string) bool {
	_, times := s.Feature("MDTM")
	return times && s.HasSIZE() && name != "" && !trimmed(name)
}

// Size asks for the size of a file, in bytes; -1 if the server does not tell.
func Size(ctx context.Context, s *Session, name string) (int64, error) {
	if !s.HasSIZE() {
		return -1, nil
	}
	line, err := s.Line("SIZE", name)
	if err != nil {
		return -1, err
	}
	r, err := s.ask(ctx, line)
	if err != nil {
		return -1, err
	}
	s.Server.learnSIZE(r)
	return r.Size(), nil
}

// sizes reports whether SIZE is known to tell of files: it has done so, or does of a
// file that was read; or the server is of those that say so in words where SIZE is
// denied.
func sizes(ctx context.Context, s *Session) (bool, error) {
	if s.Server.Knows(SIZE) == proto.Yes || s.Software() != control.UnknownSoftware {
		return true, nil
	}
	name := s.Server.aFile()
	if name == "" {
		return false, nil
	}
	n, err := Size(ctx, s, name)
	return n >= 0, err
}

// ModTime asks when a file was changed last and sets the time of e, if the
// server tells.
func ModTime(ctx context.Context, s *Session, name string, e *listing.Entry) error {
	line, err := s.Line("MDTM", name)
	if err != nil {
		return err
	}
	r, err := s.ask(ctx, line)
	if err != nil {
		return err
	}
	setTime(e, r)
	return nil
}

// setTime sets the time of an entry to that in a reply to MDTM, if there is one.
func setTime(e *listing.Entry, r proto.Reply) {
	if t, ok := r.ModTime(); ok {
		e.ModTime, e.Precision, e.Absolute = t, listing.PrecisionSecond, true
	}
}

// nameKept checks that a name that was just created is in the listing as it is.
// Some servers change what they do not like, in every command and in silence.
func nameKept(ctx context.Context, s *Session, name string) error {
	parent, base := Split(name)
	foreign := isForeign(s, base)
	if !foreign && !oddName(base) {
		return nil
	}
	entries, err := s.List(ctx, parent)
	unread := proto.Unread(err)
	switch {
	case unread != nil:
	case proto.RefusedAt(err) && !proto.IsTemporary(err):
		// Nobody sees another form where nothing is listed.
		trace.From(ctx).Notef("%s: the directory cannot be listed, and may have it in another form", name)
		return nil
	case err != nil:
		return err
	}
	if _, ok := Find(entries, base); !ok && unread != nil && unread.Mentions(base) {
		return unread
	} else if !ok {
		return proto.Unable("the server gives the name another form")
	}
	if foreign {
		s.Server.Learn(KeepsBytes, true)
	}
	return nil
}

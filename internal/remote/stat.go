package remote

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// maxLinks is how many symbolic links in a row are followed.
const maxLinks = 16

// Stat describes what a name leads to. If that takes a listing, recent allows
// one from the cache.
func (s *Session) Stat(ctx context.Context, name string, recent bool) (listing.Entry, error) {
	at := name
	for range maxLinks {
		e, err := s.Lookup(ctx, at, recent)
		if err != nil || e.Type != listing.TypeLink {
			e.Name = BaseName(name)
			return e, err
		}
		if e.Target == "" {
			return s.probe(ctx, at, e)
		}
		if at, err = s.follow(ctx, at, e.Target); err != nil {
			return e, err
		}
	}
	return listing.Entry{}, errors.New("too many levels of symbolic links")
}

// follow returns where a link leads to, from the directory of the session. A
// path that leads out of it stays as it is.
func (s *Session) follow(ctx context.Context, link, target string) (string, error) {
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
func (s *Session) hidden(ctx context.Context, name string) (listing.Entry, error) {
	e, err := s.probe(ctx, name, listing.Entry{Name: BaseName(name)})
	_, times := s.Feature("MDTM")
	if !errors.Is(err, proto.ErrMissing) || !times {
		return e, err
	}
	if terr := s.ModTime(ctx, name, &e); terr != nil || e.Absolute {
		return e, terr
	}
	return e, err
}

// probe finds out what a link leads to if the server does not say where, or what
// stands under a name without a listing, by SIZE and CWD.
func (s *Session) probe(ctx context.Context, name string, e listing.Entry) (listing.Entry, error) {
	n, err := s.Size(ctx, name)
	if err != nil {
		return e, err
	}
	e.Type, e.Size, e.HasMode = listing.TypeFile, n, false
	if n >= 0 {
		return e, s.ModTime(ctx, name, &e)
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
func (s *Session) Lookup(ctx context.Context, name string, recent bool) (listing.Entry, error) {
	if s.HasMLST() {
		e, known, err := s.mlst(ctx, name)
		if known || err != nil {
			return e, err
		}
	}
	switch {
	case name == "":
		return listing.Entry{Name: ".", Type: listing.TypeDir}, nil
	case leadsOut(name):
		return s.probe(ctx, name, listing.Entry{Name: BaseName(name)})
	}
	return s.listed(ctx, name, recent, func() (listing.Entry, error) { return s.hidden(ctx, name) })
}

// Lstat is Lookup for callers that must know a link from what it leads to: some
// servers follow it in MLST and not in MLSD.
func (s *Session) Lstat(ctx context.Context, name string) (listing.Entry, error) {
	e, err := s.Lookup(ctx, name, false)
	if err != nil || e.Type == listing.TypeLink || name == "" || !s.HasMLST() || s.Server.Knows(ShowsLinks) == proto.Yes {
		return e, err
	}
	return s.listed(ctx, name, false, func() (listing.Entry, error) { return s.hidden(ctx, name) })
}

// ReadLink returns where a symbolic link leads. Many servers do not tell in MLST
// and MLSD, and do so in LIST.
func (s *Session) ReadLink(ctx context.Context, name string) (target string, err error) {
	e, err := s.Lstat(ctx, name)
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
func (s *Session) Exists(ctx context.Context, name string) (bool, error) {
	_, err := s.Lookup(ctx, name, false)
	if errors.Is(err, proto.ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// listed describes what stands under a name in its parent's listing, or that has
// no such name but is there. If recent is not set, a listing that was kept is used
// for what SIZE and MDTM still say of the name. hidden has the word on a name that is
// not in the listing.
func (s *Session) listed(ctx context.Context, name string, recent bool, hidden func() (listing.Entry, error)) (listing.Entry, error) {
	parent, base := Split(name)
	if e, ok, err := s.kept(ctx, name, recent); ok || err != nil {
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
	case proto.RefusedAt(err):
		// What may not be listed may be read.
		e, perr := s.probe(ctx, name, listing.Entry{Name: base})
		if errors.Is(perr, proto.ErrMissing) {
			perr = untold{err}
		}
		return e, perr
	case err != nil:
		return listing.Entry{}, err
	}
	e, ok := Find(entries, base)
	if ok {
		return s.sized(ctx, name, e)
	}
	e, err = hidden()
	if unread != nil && unread.Mentions(base) && errors.Is(err, proto.ErrMissing) {
		return e, unread // which may be the line of it
	}
	return e, err
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

// kept describes what stands under a name in a listing that was kept. If recent
// is not set, the server is asked whether it is still so, which takes a round trip
// if it reads ahead: it must be a file then. A directory that is too large to be
// kept is not listed again for a file that is told of.
func (s *Session) kept(ctx context.Context, name string, recent bool) (e listing.Entry, ok bool, err error) {
	parent, base := Split(name)
	if recent {
		if entries, fresh := s.Server.Recall(parent); fresh {
			if e, ok = Find(entries, base); ok {
				e, err = s.sized(ctx, name, e)
				return e, err == nil, err
			}
		}
	}
	entries, huge := s.Server.remember(parent)
	e, known := Find(entries, base)
	if !known && !huge || known && (e.Type != listing.TypeFile || e.Size < 0) || !s.asksOf(name) {
		return e, false, nil
	}
	now, told, err := s.quick(ctx, name)
	switch {
	case err != nil || !told || !now.Absolute:
		return e, false, err
	case !known:
		return now, true, nil
	}
	return e, now.Size == e.Size && SameTime(e, now), nil
}

// sized completes an entry whose size the listing does not tell.
func (s *Session) sized(ctx context.Context, name string, e listing.Entry) (listing.Entry, error) {
	if e.Size >= 0 || e.Type != listing.TypeFile {
		return e, nil
	}
	n, err := s.Size(ctx, name)
	e.Size = n
	return e, err
}

// mlst asks for one entry (RFC 3659, 7). It is not known if the server's answer
// is of no use.
func (s *Session) mlst(ctx context.Context, name string) (e listing.Entry, known bool, err error) {
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
func (s *Session) QuickStat(ctx context.Context, name string) (e listing.Entry, ok bool, err error) {
	parent, _ := Split(name)
	if _, listed := s.Server.Recall(parent); listed || s.HasMLST() || !s.asksOf(name) {
		return e, false, nil
	}
	return s.quick(ctx, name)
}

// quick asks for the size and the time of a name, in one go if the server takes
// that; otherwise for the size alone. It reports whether there is a size.
func (s *Session) quick(ctx context.Context, name string) (e listing.Entry, ok bool, err error) {
	e = listing.Entry{Name: BaseName(name), Type: listing.TypeFile}
	if !s.Pipelines() {
		e.Size, err = s.Size(ctx, name)
		return e, e.Size >= 0, err
	}
	wire, err := s.Encode(name)
	if err != nil {
		return e, false, err
	}
	replies, err := s.Transfer().Ask(ctx, "SIZE "+wire, "MDTM "+wire)
	if err != nil {
		return e, false, err
	}
	e.Size = replies[0].Size()
	setTime(&e, replies[1])
	return e, e.Size >= 0, nil
}

// asksOf reports whether SIZE and MDTM are a good way to ask about a name. Without
// its time a file could not be told from a later one.
func (s *Session) asksOf(name string) bool {
	_, times := s.Feature("MDTM")
	return times && s.HasSIZE() && name != "" && !trimmed(name)
}

// Size asks for the size of a file, in bytes; -1 if the server does not tell.
func (s *Session) Size(ctx context.Context, name string) (int64, error) {
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
	s.Server.sized(r)
	return r.Size(), nil
}

// ModTime asks when a file was changed last and sets the time of e, if the
// server tells.
func (s *Session) ModTime(ctx context.Context, name string, e *listing.Entry) error {
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

// Kept checks that a name that was just created is in the listing as it is.
// Some servers change what they do not like, in every command and in silence.
func (s *Session) Kept(ctx context.Context, name string) error {
	parent, base := Split(name)
	foreign := s.foreign(base)
	if !foreign && !oddName(base) {
		return nil
	}
	entries, err := s.List(ctx, parent)
	unread := proto.Unread(err)
	if err != nil && unread == nil {
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

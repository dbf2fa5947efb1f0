package remote

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// directory is a directory that is listed.
type directory struct {
	*Session
	name string // in the session's directory
	raw  bool   // what the server sends is kept
}

// shown returns the name as messages have it.
func (d directory) shown() string { return cmp.Or(d.name, ".") }

// list lists by MLSD if the server has that, else by LIST. There is no listing if
// a refusal says that there is nothing.
func (d directory) list(ctx context.Context) (*listed, error) {
	if !d.HasMLSD() {
		return d.plain(ctx)
	}
	got, err := d.machine(ctx)
	switch {
	case err == nil && got.unclear() > 0:
		return d.clearer(ctx, got)
	case err == nil:
		return got, nil
	case proto.RefusedAt(err) && !retry.Worth(err):
		return d.otherwise(ctx, err)
	}
	return nil, err
}

// machine lists by MLSD: by the name of the directory, or inside where the server
// is known to take no name, or this one for a pattern. The latter is found out by
// comparing both once.
func (d directory) machine(ctx context.Context) (*listed, error) {
	line, err := d.Line("MLSD", d.name)
	if err != nil {
		return nil, err
	}
	pattern := strings.ContainsAny(d.name, "*?[")
	if d.name != "" && (d.Server.Knows(MLSDArg) == proto.No || pattern && d.Server.Knows(MLSDGlobs) == proto.Yes) {
		return d.machineInside(ctx)
	}
	got, err := d.listing(ctx, line, listing.FormatMLSx)
	if err != nil {
		return nil, err
	}
	if len(got.entries) == 1 && got.entries[0].Type == listing.TypeFile && got.entries[0].Name == BaseName(d.name) && got.unread == nil {
		// goftp lists a file by its name.
		return d.machineInside(ctx)
	}
	if pattern && d.Server.Knows(MLSDGlobs) == proto.Unknown {
		inside, err := d.machineInside(ctx)
		if err != nil {
			return nil, err
		}
		if same := sameNames(got.entries, inside.entries); !same || !inside.nothing() {
			d.Server.Learn(MLSDGlobs, !same)
		}
		return inside, nil
	}
	if d.name != "" && len(got.entries) > 0 && got.unclear() == 0 {
		d.Server.Learn(MLSDArg, true)
	}
	return d.lookAgain(ctx, got, listing.FormatMLSx, d.otherThanMLSD(line))
}

// machineInside lists by MLSD with the working directory changed.
func (d directory) machineInside(ctx context.Context) (*listed, error) {
	wire, err := d.Encode(d.name)
	if err != nil {
		return nil, err
	}
	var got *listed
	_, err = d.inside(ctx, wire, func() (err error) {
		got, err = d.listing(ctx, "MLSD", listing.FormatMLSx)
		if err == nil {
			got, err = d.lookAgain(ctx, got, listing.FormatMLSx, d.listHereLine())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// otherwise lists a directory of which MLSD was refused. That may be the command,
// the name as its argument, or the directory: where MLSD has never been of use with
// a name it is sent inside, and then LIST. If these tell no more the error is err,
// with its meaning.
func (d directory) otherwise(ctx context.Context, err error) (*listed, error) {
	r := proto.ReplyOf(err)
	missing := r.Unsupported() || r.Code == 501
	if !missing {
		err = Explain(ctx, d.Session, OpList, d.name, err)
		useful := d.Server.Knows(MLSDArg) != proto.Unknown && !strings.ContainsAny(d.name, "*?[")
		if useful || errors.Is(err, fs.ErrNotExist) || errors.Is(err, proto.ErrNotDir) || !proto.RefusedAt(err) {
			return nil, err
		}
	}
	if d.name != "" && !r.Unsupported() {
		got, ierr := d.machineInside(ctx)
		switch {
		case ierr == nil:
			d.Server.Learn(MLSDArg, false)
			return got, nil
		case !proto.RefusedAt(ierr):
			return nil, ierr
		}
	}
	plain, perr := d.plain(ctx)
	switch {
	case perr != nil && (missing || !shut(perr)):
		return nil, perr
	case !missing && (perr != nil || plain == nil || plain.lines == 0):
		return nil, err // a listing of nothing is no sign that the directory may be read
	}
	d.Server.Learn(MLSD, false)
	return plain, nil
}

// clearer returns a listing by LIST if that tells more than one by MLSD: Serv-U
// and others have an MLSD that tells less.
func (d directory) clearer(ctx context.Context, got *listed) (*listed, error) {
	plain, err := d.plain(ctx)
	switch {
	case err != nil && got.unread != nil && shut(err):
		return got, nil
	case err != nil:
		return nil, err
	case plain == nil || plain.unclear() >= got.unclear() || len(plain.entries) < len(got.entries) && got.unread == nil:
		return got, nil
	}
	if plain.unclear() == 0 {
		d.Server.Learn(MLSD, false)
	}
	return plain, nil
}

// otherThanMLSD returns a command to ask instead of MLSD: LIST, or MLSD again if
// LIST would take the name for something else.
func (d directory) otherThanMLSD(line string) string {
	wire, err := d.Encode(d.name)
	if err != nil || !PlainName(wire) {
		return line
	}
	return strings.TrimSuffix(d.listHereLine()+" "+wire, " ")
}

// listHereLine returns the form of LIST that shows all, or may.
func (d directory) listHereLine() string {
	if d.Server.Knows(DashA) == proto.No {
		return listLine(proto.No)
	}
	return listLine(proto.Yes)
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

// plain lists by LIST.
func (d directory) plain(ctx context.Context) (*listed, error) {
	got, err := d.byLIST(ctx)
	switch {
	case err != nil || got == nil || !strings.HasPrefix(got.line, listLine(proto.Yes)):
		return got, err
	case got.self:
		d.Server.Learn(ListsSelf, true)
	case got.nothing() && !got.verdict.EmptyDir():
		err = d.closed(ctx)
	}
	return got, err
}

// errClosed says of a directory that the server lists it as less than empty.
var errClosed = errors.New("the server shows nothing in it, and not even the directory itself")

// shut reports whether err says that a directory may not be listed.
func shut(err error) bool { return proto.RefusedAt(err) || errors.Is(err, errClosed) }

// closed returns an error if a directory of which nothing was listed may not be
// listed: ProFTPD says no more than that it has, and shows "." in all others. What it
// shows is found out once, by the root.
func (d directory) closed(ctx context.Context) error {
	if d.Server.Knows(ListsSelf) == proto.Unknown && d.Server.Knows(DashA) != proto.No {
		root, err := d.listing(ctx, listLine(proto.Yes)+" /", listing.FormatAuto)
		switch {
		case err != nil && !proto.RefusedAt(err) && !errors.Is(err, proto.ErrTruncated):
			return err
		case err == nil && (root.self || !root.nothing()):
			d.Server.Learn(ListsSelf, root.self)
		}
	}
	if d.Server.Knows(ListsSelf) == proto.Yes {
		return &proto.FSError{Kind: fs.ErrPermission, Err: errClosed}
	}
	return nil
}

// byLIST is plain, without the question whether what shows nothing is closed.
func (d directory) byLIST(ctx context.Context) (*listed, error) {
	if d.name == "" {
		return d.here(ctx, false)
	}
	wire, err := d.Encode(d.name)
	if err != nil {
		return nil, err
	}
	var named []listing.Entry // by the name; nil if that was not tried, or is worth nothing
	empty := false
	if line := listLine(d.Server.Knows(DashA)); line != "" && PlainName(wire) && d.Server.Knows(ListArg) != proto.No {
		got, err := d.listing(ctx, line+" "+wire, listing.FormatAuto)
		switch {
		case err == nil && !Doubtful(got.entries, wire) && d.obeysName(got.entries):
			return got, nil
		case err == nil && !Doubtful(got.entries, wire):
			named = got.entries
		case err == nil:
			empty = got.nothing()
		case proto.ReplyOf(err).Unopened():
			return nil, Explain(ctx, d.Session, OpList, d.name, err)
		case retry.Worth(err) && !proto.ReplyOf(err).Missing() || ctx.Err() != nil:
			return nil, err
		}
	}
	var here *listed
	entered, err := d.inside(ctx, wire, func() (err error) {
		here, err = d.here(ctx, empty)
		return err
	})
	if proto.RefusedAt(err) && !retry.Worth(err) && !(entered && proto.ReplyOf(err).Unsupported()) {
		return nil, Explain(ctx, d.Session, OpList, d.name, err)
	}
	if err == nil && named != nil {
		d.compareNamed(ctx, named, here.list())
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
func (d directory) obeysName(entries []listing.Entry) bool {
	if known := d.Server.Knows(ListArg); known != proto.Unknown {
		return known == proto.Yes
	}
	here, ok := d.Server.Recall("")
	if !ok || len(here) == 0 {
		return false
	}
	for _, e := range entries {
		if same, ok := Find(here, e.Name); ok && same.Type == e.Type && same.Size == e.Size {
			return false
		}
	}
	d.Server.Learn(ListArg, true)
	return true
}

// compareNamed learns from two listings of a directory, by its name and inside.
func (d directory) compareNamed(ctx context.Context, named, inside []listing.Entry) {
	same := sameNames(named, inside)
	if here, ok := d.Server.Recall(""); ok && same && sameNames(named, here) {
		return // it may be either
	}
	d.Server.Learn(ListArg, same)
	if !same {
		trace.From(ctx).Notef("the listing of %s by its name is not that of the directory: it is entered for that", d.name)
	}
}

// sameNames reports whether two listings have the same names, in any order.
func sameNames(a, b []listing.Entry) bool {
	byName := func(a, b listing.Entry) int { return strings.Compare(a.Name, b.Name) }
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, byName)
	slices.SortFunc(b, byName)
	return slices.EqualFunc(a, b, sameName)
}

// Doubtful reports whether a listing may be that of something else than the
// directory that was named: of a file or a link, or of nothing.
func Doubtful(entries []listing.Entry, dir string) bool {
	return len(entries) == 0 || len(entries) == 1 && entries[0].Name == BaseName(dir)
}

// here lists the working directory, which is d, with dot files. looked says
// that it was seen to be empty by another command.
func (d directory) here(ctx context.Context, looked bool) (*listed, error) {
	if line := listLine(d.Server.Knows(DashA)); line != "" {
		got, err := d.none(ctx, line)
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
		return d.lookAgain(ctx, got, listing.FormatAuto, other)
	}
	all, err := d.listing(ctx, listLine(proto.Yes), listing.FormatAuto)
	if err != nil && !proto.RefusedAt(err) {
		return nil, err
	}
	if err == nil && (len(all.entries) > 1 || len(all.entries) == 1 && all.entries[0].Name != "-a") {
		d.Server.Learn(DashA, true)
		return all, nil
	}
	// It was taken for a name, or the directory is empty.
	got, err := d.none(ctx, listLine(proto.No))
	switch {
	case err != nil || got == nil:
		return nil, err
	case got.nothing():
		if all != nil && all.nothing() {
			got = all // it would have shown more
		}
	case all == nil || len(all.entries) > 0:
		if all == nil || len(got.entries) > len(all.entries) {
			d.Server.Learn(DashA, false)
		}
	default:
		// Taken for a name that lists as nothing, or cut short.
		again, aerr := d.listing(ctx, listLine(proto.Yes), listing.FormatAuto)
		switch {
		case aerr != nil && !proto.RefusedAt(aerr):
			return nil, aerr
		case aerr == nil && len(again.entries) >= len(got.entries):
			d.Server.Learn(DashA, true)
			return again, nil
		}
		d.Server.Learn(DashA, false)
	}
	return got, nil
}

// none lists the working directory, which is d. A refusal may say that it
// is empty: there is neither a listing nor an error then.
func (d directory) none(ctx context.Context, line string) (*listed, error) {
	got, err := d.listing(ctx, line, listing.FormatAuto)
	switch r := proto.ReplyOf(err); {
	case err == nil:
		return got, nil
	case !proto.RefusedAt(err):
		return nil, err
	case r.EmptyDir():
		return nil, nil
	case d.name != "" || !r.Unopened():
		return nil, err // to be explained from outside
	}
	return nil, Explain(ctx, d.Session, OpList, d.name, err)
}

package remote

import (
	"context"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Glance is Stat at the price of opening a file: if the server has no MLST, a file is
// described by SIZE and MDTM and a directory by CWD, and a listing is asked for only
// if these do not tell. What is in a listing alone, such as the mode, is known then if
// there was one a while ago and the file is the same.
func Glance(ctx context.Context, s *Session, name string) (listing.Entry, error) {
	if s.HasMLST() || !AsksOf(s, name) || leadsOut(name) {
		return Stat(ctx, s, name, false)
	}
	parent, base := Split(name)
	entries, _ := s.Server.remember(parent)
	listed, known := Find(entries, base)
	if known && listed.Type == listing.TypeLink {
		return Stat(ctx, s, name, false)
	}
	now, told, err := sizeOf(ctx, s, name)
	switch {
	case err != nil:
		return now, err
	case s.Server.Knows(SizesDirs) != proto.No:
		e, err := Stat(ctx, s, name, false)
		return dated(e, now), err
	case told && now.Absolute && known && listed.Type == listing.TypeFile && listed.Size == now.Size && SameTime(listed, now):
		return dated(listed, now), nil
	case told && now.Absolute:
		return now, nil
	case told:
		return Stat(ctx, s, name, false)
	}
	entered, refused, err := isDir(ctx, s, name)
	switch {
	case err != nil:
		return now, err
	case entered:
		return entry(s, name, listed), nil
	case now.Absolute:
		return Stat(ctx, s, name, false)
	}
	// It is neither, or is missing.
	e, err := inParent(ctx, s, name, false, func() (listing.Entry, error) { return now, absent(refused) })
	if err == nil && e.Type == listing.TypeLink {
		return Stat(ctx, s, name, true)
	}
	return e, err
}

// entry describes a directory that was entered. Its mode is that of a listing of
// a while ago, and its time that of one that stands for the directory still.
func entry(s *Session, name string, listed listing.Entry) listing.Entry {
	parent, base := Split(name)
	e := listing.Entry{Name: base, Type: listing.TypeDir}
	if listed.Type != listing.TypeDir {
		return e
	}
	if fresh, ok := s.Server.Recall(parent); ok {
		if now, ok := Find(fresh, base); ok {
			return now
		}
	}
	listed.ModTime, listed.Precision, listed.Absolute = e.ModTime, e.Precision, e.Absolute
	return listed
}

// sizeOf is quick for what may be a directory: it is found out along with the first
// question whether the server tells a size of those, by the directory of the name.
func sizeOf(ctx context.Context, s *Session, name string) (e listing.Entry, ok bool, err error) {
	if s.Server.Knows(SizesDirs) == proto.Unknown {
		parent, _ := Split(name)
		if parent == "" {
			parent = "."
		}
		n, err := Size(ctx, s, parent)
		if err != nil {
			return e, false, err
		}
		s.Server.Learn(SizesDirs, n >= 0)
	}
	e, ok, err = quick(ctx, s, name)
	if err == nil && ok && !e.Absolute {
		err = ModTime(ctx, s, name, &e)
	}
	return e, ok, err
}

package ftpnat

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/walk"
)

// Facts is what a server tells of a file beyond [fs.FileInfo]; fields that it
// does not tell are empty. The Sys method of the FileInfo of an [FS] returns a
// *Facts.
type Facts struct {
	Owner, Group string
	Target       string // target of a symbolic link
	Unique       string // the same for two names of one file: RFC 3659, 7.5.2
	Perm         string // what the login may do: RFC 3659, 7.5.5
	MediaType    string
	// Precision is the unit to which ModTime is exact: a day, minute, second or
	// nanosecond; zero if there is no time.
	Precision time.Duration
	// Zoned reports whether the server told the zone of ModTime. Otherwise it
	// is Dialer.ServerZone.
	Zoned bool
	// Mode reports whether the server told the permission bits.
	Mode bool
}

// fileInfo is an entry as fs.FileInfo.
type fileInfo struct{ e listing.Entry }

// Name returns the last element of the name.
func (i fileInfo) Name() string { return i.e.Name }

// Size returns the size of a file.
func (i fileInfo) Size() int64 {
	if i.e.Type != listing.TypeFile {
		return 0
	}
	return max(i.e.Size, 0)
}

// ModTime returns the time of the last change, as exact as the server tells
// it: see [Facts].
func (i fileInfo) ModTime() time.Time { return i.e.ModTime }

// IsDir reports whether it is a directory.
func (i fileInfo) IsDir() bool { return i.e.Type == listing.TypeDir }

// Mode returns the type and the permission bits, readable where the server
// does not tell them.
func (i fileInfo) Mode() fs.FileMode {
	perm := i.e.Mode &^ fs.ModeType
	if !i.e.HasMode {
		perm = 0o644
		if i.IsDir() {
			perm = 0o755
		}
	}
	return perm | typeBits(i.e.Type)
}

// Sys returns a *Facts.
func (i fileInfo) Sys() any {
	precision := map[listing.Precision]time.Duration{
		listing.PrecisionDay:      24 * time.Hour,
		listing.PrecisionMinute:   time.Minute,
		listing.PrecisionSecond:   time.Second,
		listing.PrecisionFraction: time.Nanosecond,
	}
	return &Facts{
		Owner: i.e.Owner, Group: i.e.Group, Target: i.e.Target, Unique: i.e.Unique, Perm: i.e.Perm, MediaType: i.e.MediaType,
		Precision: precision[i.e.Precision], Zoned: i.e.Absolute, Mode: i.e.HasMode,
	}
}

// String is for people.
func (i fileInfo) String() string { return fs.FormatFileInfo(i) }

func typeBits(t listing.Type) fs.FileMode {
	switch t {
	case listing.TypeDir:
		return fs.ModeDir
	case listing.TypeLink:
		return fs.ModeSymlink
	case listing.TypeFile:
		return 0
	}
	return fs.ModeIrregular
}

// dirEntry is an entry of a listing as fs.DirEntry. It is small, since there may
// be many: the entry is that of the list.
type dirEntry struct {
	in *place
	i  int
}

// place is a directory of an FS, with entries of it.
type place struct {
	fs    *FS
	dir   string    // name in fs
	rough *walk.Dir // nil if the server can tell no more of what is in it

	list []listing.Entry
	many *listing.List // in the place of list, if it is long
}

// manyEntries is from how many entries on they are held in less memory, which takes
// some time for each that is looked at.
const manyEntries = 100_000

// entries returns the entries of a listing.
func (p *place) entries(list []listing.Entry) []fs.DirEntry {
	p.list = list
	if len(list) >= manyEntries && list[0].Unique == "" {
		p.list, p.many = nil, new(listing.List)
		for _, e := range list {
			p.many.Add(e)
		}
	}
	all := make([]dirEntry, len(list))
	entries := make([]fs.DirEntry, len(list))
	for i := range list {
		all[i] = dirEntry{in: p, i: i}
		entries[i] = &all[i]
	}
	return entries
}

// at returns an entry.
func (p *place) at(i int) listing.Entry {
	if p.many != nil {
		return p.many.At(i)
	}
	return p.list[i]
}

// name returns the name of an entry in the FS.
func (p *place) name(entry string) string {
	if p.dir == "." {
		return entry
	}
	return p.dir + "/" + entry
}

// info returns all that the server can tell of an entry.
func (p *place) info(entry string) (fs.FileInfo, error) {
	name := p.name(entry)
	e, err := p.fs.sys.Walk.Exact(p.fs.sys.Ctx, p.rough, entry, func(fn func(context.Context, walk.Session) error) error {
		return p.fs.sys.Ask("lstat", name, func(ctx context.Context, s *remote.Session, _ string) error { return fn(ctx, s) })
	})
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe):
		return nil, pe
	case err != nil:
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: retry.Public(err)}
	}
	return fileInfo{e}, nil
}

// Name returns the last element of the name.
func (d *dirEntry) Name() string {
	if d.in.many != nil {
		return d.in.many.Name(d.i)
	}
	return d.in.list[d.i].Name
}

// IsDir reports whether it is a directory.
func (d *dirEntry) IsDir() bool { return d.in.at(d.i).Type == listing.TypeDir }

// Type returns the type bits of the mode.
func (d *dirEntry) Type() fs.FileMode { return typeBits(d.in.at(d.i).Type) }

// Info returns what the listing told. Where it did not tell the size of a
// file, the server is asked for it, and where it did not tell all that the
// server knows, for all entries of the directory at once.
func (d *dirEntry) Info() (fs.FileInfo, error) {
	e := d.in.at(d.i)
	if d.in.rough != nil {
		return d.in.info(e.Name)
	}
	if e.Type != listing.TypeFile || e.Size >= 0 {
		return fileInfo{e}, nil
	}
	return d.in.fs.Lstat(d.in.name(e.Name))
}

// String is for people.
func (d *dirEntry) String() string { return fs.FormatDirEntry(d) }

package remote

import (
	"context"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// List returns the content of a directory, sorted by name. It is complete, or
// there is an error. A [*proto.ListingError] comes together with all entries that
// could be understood.
func (s *Session) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	start, epoch := time.Now(), s.Server.Epoch()
	got, err := newDirectory(s, dir).list(ctx)
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

// ListRaw returns what the server sends as the listing of a directory, in the form
// that List reads. It is complete, or there is an error.
func ListRaw(ctx context.Context, s *Session, dir string) ([]byte, error) {
	d := newDirectory(s, dir)
	d.raw = true
	got, err := d.list(ctx)
	if err != nil || got == nil {
		return nil, err
	}
	return got.raw, nil
}

// OpenList opens a listing of a directory. ErrUnclear says that it has to be read
// whole to be understood: see List.
func OpenList(ctx context.Context, s *Session, dir string) (*Listing, error) {
	return newDirectory(s, dir).open(ctx)
}

// newDirectory returns a directory that is to be listed. It has a Session of its own,
// so that those of callers that list nothing need not be on the heap.
func newDirectory(s *Session, name string) directory {
	own := *s
	return directory{Session: &own, name: name}
}

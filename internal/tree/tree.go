// Package tree copies trees of files from a server and to it, several files at
// once, and large files in ranges.
package tree

import (
	"context"
	"hash"
	"io"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// Options says how much is done at once.
type Options struct {
	Most      int        // number of files that are copied at once; at least 1
	Room      func() int // number of connections that the server takes just now
	SplitOver int64      // size in bytes from which Fetch splits a file into ranges; 0 for never
}

// Source is the side of a server that Fetch needs. Names are those of package
// io/fs, and errors are [*fs.PathError] with the name in them. All methods may be
// called by several goroutines at once.
type Source interface {
	// Stat describes a file, or what a symbolic link leads to.
	Stat(ctx context.Context, name string) (listing.Entry, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(ctx context.Context, name string) ([]listing.Entry, error)
	// ReadLink returns where a symbolic link leads.
	ReadLink(ctx context.Context, name string) (string, error)
	// Open opens a file for reading, in ctx.
	Open(ctx context.Context, name string, how Opening) (File, error)
	// ModTime sets the time in e to that of MDTM, if the server has it.
	ModTime(ctx context.Context, name string, e *listing.Entry) error
	// Check returns ErrChanged if the file is not the one that e describes,
	// and else its hash as the server reports it; nil if it does not. timed
	// says that the time in e is that of MDTM.
	Check(ctx context.Context, name string, e listing.Entry, timed bool) (*Digest, error)
}

// Opening says what is known of a file that is opened, and how it is read.
type Opening struct {
	Entry  *listing.Entry // what a listing says of it; nil if the server is to be asked
	Timed  bool           // the time in Entry is that of MDTM
	Quiet  bool           // progress is reported by somebody else
	Steady bool           // the reader waits for nothing but this file
}

// File is a file that is read.
type File interface {
	io.ReadSeeker
	io.WriterTo
	io.Closer
	// Entry returns what was known of the file when it was opened.
	Entry() listing.Entry
}

// Digest is the hash of a file as a server reports it.
type Digest struct {
	Name string // of the algorithm
	Sum  string // in hexadecimal digits
	New  func() hash.Hash
}

// Target is the side of a server that Copy needs. What is said of Source holds.
type Target interface {
	ReadDir(ctx context.Context, name string) ([]listing.Entry, error)
	// Mkdir makes a directory. The error is fs.ErrExist if there is something
	// under the name, and fs.ErrNotExist if the parent is missing.
	Mkdir(ctx context.Context, name string) error
	// MkdirAll is Mkdir for a directory and its parents that are missing.
	MkdirAll(ctx context.Context, name string) error
	// Create opens a file for writing, in ctx. size is for progress; -1 if it
	// is not known.
	Create(ctx context.Context, name string, size int64) (Writer, error)
}

// Writer is a file that is written.
type Writer interface {
	io.ReaderFrom
	// Close returns nil only if the server has the whole file.
	Close() error
	// Abort ends the upload so that the file does not look complete, as far as
	// that can be helped.
	Abort()
}

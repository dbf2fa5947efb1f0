// Package blob makes a directory of an FTP server a bucket of the Go Cloud
// Development Kit (gocloud.dev/blob). Files are blobs, and their paths are keys.
//
//	import _ "github.com/ftpnat/ftpnat/adapters/blob"
//	...
//	bucket, err := blob.OpenBucket(ctx, "ftpes://user:password@ftp.example.com/reports")
//
// A blob appears under its key only when it is whole: it is written under a
// temporary name, checked, and renamed when it is closed. A writer whose context
// ends leaves nothing.
//
// # URLs
//
// The schemes are ftp, ftpes (AUTH TLS) and ftps (implicit TLS); the path is that
// of ftpnat.Dialer.Open. See URLOpener for the parameters, and for settings that a
// URL cannot hold.
//
// # Attributes
//
// FTP keeps the content of a file, its size and a time. What else a blob has
// (content type, cache control, metadata, MD5) is kept in a second file with the
// name of the blob and ".attrs", in the format of gocloud.dev/blob/fileblob. If the
// blob has been replaced by other means since, so that its size or time no longer
// fits, that file counts for nothing. With metadata=skip there are no such files,
// and these attributes are lost.
//
// # Escaping
//
// Characters of keys that file names or FTP cannot hold are written as
// "__0x<hex>__", as fileblob does: control characters, backslashes (which Pure-FTPd
// refuses, and servers on Windows take for slashes), a slash at the start or the end
// of a key, after another slash, or after "." or "..", and the last dot of a key that
// ends with such an element.
//
// # As
//
//   - Bucket: *ftpnat.FS
//   - Error: *fs.PathError, *os.LinkError, *ftpnat.ReplyError, *ftpnat.NegotiateError
//   - ListObject, Attributes: fs.FileInfo; for a directory that of the first file in it
//   - Reader, ReaderOptions.BeforeRead, WriterOptions.BeforeWrite: *ftpnat.File
package blob

import (
	"context"
	"fmt"
	"net/url"

	"github.com/ftpnat/ftpnat"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
)

// Schemes are the URL schemes that this package registers on
// blob.DefaultURLMux.
var Schemes = []string{"ftp", "ftpes", "ftps"}

func init() {
	for _, scheme := range Schemes {
		blob.DefaultURLMux().RegisterBucket(scheme, &URLOpener{})
	}
}

// Options sets how a bucket behaves. Nil stands for its zero value.
type Options struct {
	// NoMetadata leaves out the files that hold the attributes of blobs: none
	// are written, read or removed.
	NoMetadata bool
	// ServerMD5 has the server compute the MD5 of a blob for Attributes (and so
	// for Exists), if it has a command for that and the blob's own attributes
	// have none. The server then reads the whole file each time.
	ServerMD5 bool
	// EmptyDirs has a list with the delimiter "/" name directories without
	// looking into them, so that it costs one listing in place of one for each
	// directory. Those without a file are then named too.
	EmptyDirs bool
}

// URLOpener opens URLs like ftp://user:password@host/dir. The parameters are
//
//   - metadata=skip: Options.NoMetadata
//   - md5=server: Options.ServerMD5
//   - dirs=all: Options.EmptyDirs
type URLOpener struct {
	// Dialer has the settings for connections, and the user and password for
	// URLs without. Nil means a zero Dialer.
	Dialer *ftpnat.Dialer
	// Options are those of buckets whose URL does not say otherwise.
	Options Options
}

// OpenBucketURL opens the bucket that u names. The bucket's Close closes its
// connections.
func (o *URLOpener) OpenBucketURL(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	opts := o.Options
	for name, values := range u.Query() {
		switch value := values[len(values)-1]; name + "=" + value {
		case "metadata=skip":
			opts.NoMetadata = true
		case "metadata=":
			opts.NoMetadata = false
		case "md5=server":
			opts.ServerMD5 = true
		case "dirs=all":
			opts.EmptyDirs = true
		default:
			return nil, fmt.Errorf("open bucket %s: unknown parameter %s=%s", u.Redacted(), name, value)
		}
	}
	dialer := o.Dialer
	if dialer == nil {
		dialer = new(ftpnat.Dialer)
	}
	bare := *u
	bare.RawQuery = ""
	fsys, err := dialer.Open(ctx, bare.String())
	if err != nil {
		return nil, err
	}
	b := newBucket(fsys, &opts)
	b.close = fsys.Close
	return blob.NewBucket(b), nil
}

// OpenBucket returns fsys as a bucket. The contexts of calls on the bucket
// replace that of fsys. Closing fsys is up to the caller, after the bucket.
func OpenBucket(fsys *ftpnat.FS, opts *Options) *blob.Bucket {
	return blob.NewBucket(newBucket(fsys, opts))
}

func newBucket(fsys *ftpnat.FS, opts *Options) *bucket {
	b := &bucket{fsys: fsys, close: func() error { return nil }}
	if opts != nil {
		b.opts = *opts
	}
	return b
}

var _ driver.Bucket = (*bucket)(nil)

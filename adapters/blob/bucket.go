package blob

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"github.com/ftpnat/ftpnat"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// bucket implements driver.Bucket.
type bucket struct {
	fsys   *ftpnat.FS
	opts   Options
	close  func() error
	cursor atomic.Pointer[cursor] // of the last list that has another page
	fresh  sync.Mutex             // held while a writer with IfNotExist is closed
}

// errThere is returned if there is a blob and IfNotExist was asked for.
var errThere = errors.New("the blob already exists")

// Close closes the connections, if the bucket has opened them.
func (b *bucket) Close() error { return b.close() }

// ErrorCode returns the code of an error.
func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode {
	for _, kind := range []struct {
		err  error
		code gcerrors.ErrorCode
	}{
		{errThere, gcerrors.FailedPrecondition},
		{fs.ErrNotExist, gcerrors.NotFound},
		{fs.ErrExist, gcerrors.AlreadyExists},
		{fs.ErrPermission, gcerrors.PermissionDenied},
		{fs.ErrInvalid, gcerrors.InvalidArgument},
		{errors.ErrUnsupported, gcerrors.Unimplemented},
		{context.Canceled, gcerrors.Canceled},
		{context.DeadlineExceeded, gcerrors.DeadlineExceeded},
	} {
		if errors.Is(err, kind.err) {
			return kind.code
		}
	}
	return gcerrors.Unknown
}

// As gives the FS.
func (b *bucket) As(i any) bool {
	p, ok := i.(**ftpnat.FS)
	if ok {
		*p = b.fsys
	}
	return ok
}

// ErrorAs gives the errors that the package names.
func (b *bucket) ErrorAs(err error, i any) bool {
	switch i.(type) {
	case **fs.PathError, **os.LinkError, **ftpnat.ReplyError, **ftpnat.NegotiateError:
		return errors.As(err, i)
	}
	return false
}

// asFile is the As function of what has a File.
func asFile(f *ftpnat.File) func(any) bool {
	return func(i any) bool {
		p, ok := i.(**ftpnat.File)
		if ok {
			*p = f
		}
		return ok
	}
}

// Attributes describes a blob.
func (b *bucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	name, err := b.name("stat", key)
	if err != nil {
		return nil, err
	}
	fsys := b.fsys.WithContext(ctx)
	info, err := fsys.Stat(name)
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "stat", Path: key, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	a, err := b.attrs(fsys, name, info)
	if err != nil {
		return nil, err
	}
	if a.MD5 == nil && b.opts.ServerMD5 {
		if a.MD5, err = fsys.Hash(name, "MD5"); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	return &driver.Attributes{
		CacheControl:       a.CacheControl,
		ContentDisposition: a.ContentDisposition,
		ContentEncoding:    a.ContentEncoding,
		ContentLanguage:    a.ContentLanguage,
		ContentType:        a.ContentType,
		Metadata:           a.Metadata,
		ModTime:            info.ModTime(),
		Size:               info.Size(),
		MD5:                a.MD5,
		ETag:               fmt.Sprintf("\"%x-%x\"", info.ModTime().UnixNano(), info.Size()),
		AsFunc:             asInfo(info),
	}, nil
}

// reader implements driver.Reader.
type reader struct {
	io.Reader // the part of the file
	file      *ftpnat.File
	attrs     driver.ReaderAttributes
}

func (r *reader) Close() error                         { return r.file.Close() }
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }
func (r *reader) As(i any) bool                        { return asFile(r.file)(i) }

// Download writes the whole file to w.
func (r *reader) Download(w io.Writer) error {
	_, err := r.file.WriteTo(w)
	return err
}

// NewRangeReader opens a part of a blob.
func (b *bucket) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (_ driver.Reader, err error) {
	name, err := b.name("open", key)
	if err != nil {
		return nil, err
	}
	fsys := b.fsys.WithContext(ctx)
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
	}
	a, err := b.attrs(fsys, name, info)
	if err != nil {
		return nil, err
	}
	if opts.BeforeRead != nil {
		if err := opts.BeforeRead(asFile(f)); err != nil {
			return nil, err
		}
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	r := &reader{Reader: f, file: f, attrs: driver.ReaderAttributes{ContentType: a.ContentType, ModTime: info.ModTime(), Size: info.Size()}}
	if length >= 0 {
		r.Reader = io.LimitReader(f, length)
	}
	return r, nil
}

// writer implements driver.Writer.
type writer struct {
	b          *bucket
	ctx        context.Context // ends the writing, as driver.Bucket has it
	name       string
	file       *ftpnat.File
	attrs      attributes
	md5        hash.Hash
	size       int64
	ifNotExist bool
}

// NewTypedWriter opens a blob for writing.
func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	name, err := b.name("create", key)
	if err != nil {
		return nil, err
	}
	fsys := b.fsys.WithContext(ctx)
	if dir := path.Dir(name); dir != "." {
		if err := fsys.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	f, err := fsys.CreateAtomic(name)
	if err != nil {
		return nil, err
	}
	if opts.BeforeWrite != nil {
		if err := opts.BeforeWrite(asFile(f)); err != nil {
			return nil, errors.Join(err, f.Abort())
		}
	}
	return &writer{
		b: b, ctx: ctx, name: name, file: f, md5: md5.New(), ifNotExist: opts.IfNotExist,
		attrs: attributes{
			CacheControl:       opts.CacheControl,
			ContentDisposition: opts.ContentDisposition,
			ContentEncoding:    opts.ContentEncoding,
			ContentLanguage:    opts.ContentLanguage,
			ContentType:        contentType,
			Metadata:           opts.Metadata,
		},
	}, nil
}

// Write appends p to what was written.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.md5.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// Upload writes what r gives.
func (w *writer) Upload(r io.Reader) error {
	n, err := w.file.ReadFrom(io.TeeReader(r, w.md5))
	w.size += n
	return err
}

// Close puts the blob in its place, and its attributes beside it.
func (w *writer) Close() error {
	if err := w.ctx.Err(); err != nil {
		w.file.Abort()
		return err
	}
	if w.ifNotExist {
		// FTP has no way to rename a file only if there is none of the new name.
		// Writers of this bucket wait for one another; others may slip through.
		w.b.fresh.Lock()
		defer w.b.fresh.Unlock()
		if _, err := w.fsys().Lstat(w.name); !errors.Is(err, fs.ErrNotExist) {
			w.file.Abort()
			if err == nil {
				err = &fs.PathError{Op: "create", Path: w.name, Err: errThere}
			}
			return err
		}
	}
	if err := w.file.Close(); err != nil {
		if ended := w.ctx.Err(); ended != nil {
			return ended
		}
		return err
	}
	if w.b.opts.NoMetadata {
		return nil
	}
	w.attrs.MD5 = w.md5.Sum(nil)
	return w.b.keep(w.fsys(), w.name, w.attrs, w.size)
}

func (w *writer) fsys() *ftpnat.FS { return w.b.fsys.WithContext(w.ctx) }

// Copy copies a blob through this machine: FTP has no command for it.
func (b *bucket) Copy(ctx context.Context, dstKey, srcKey string, opts *driver.CopyOptions) error {
	dst, err := b.name("create", dstKey)
	if err != nil {
		return err
	}
	r, err := b.NewRangeReader(ctx, srcKey, 0, -1, &driver.ReaderOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	src := r.(*reader).file
	info, err := src.Stat()
	if err != nil {
		return err
	}
	fsys := b.fsys.WithContext(ctx)
	a, err := b.attrs(fsys, src.Name(), info)
	if err != nil {
		return err
	}
	if opts.BeforeCopy != nil {
		if err := opts.BeforeCopy(func(any) bool { return false }); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(path.Dir(dst), 0o777); err != nil {
		return err
	}
	size, err := fsys.Upload(dst, src)
	if err != nil || b.opts.NoMetadata {
		return err
	}
	return b.keep(fsys, dst, a, size)
}

// Delete removes a blob. Directories that are empty then stay.
func (b *bucket) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if opts.BeforeDelete != nil {
		if err := opts.BeforeDelete(func(any) bool { return false }); err != nil {
			return err
		}
	}
	name, err := b.name("remove", key)
	if err != nil {
		return err
	}
	fsys := b.fsys.WithContext(ctx)
	info, err := fsys.Lstat(name)
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "remove", Path: key, Err: fs.ErrNotExist}
	}
	if err != nil {
		return err
	}
	if err := fsys.Remove(name); err != nil {
		return err
	}
	return b.drop(fsys, name)
}

// SignedURL returns an error: FTP has none.
func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", fmt.Errorf("FTP has no signed URLs: %w", errors.ErrUnsupported)
}

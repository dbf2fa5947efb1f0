package rclone

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fserrors"
	"github.com/rclone/rclone/fs/hash"
)

// Object is a file.
type Object struct {
	fs     *Fs
	remote string
	size   int64

	mu      sync.Mutex // guards what follows
	modTime time.Time
	rough   bool // whether modTime is from a listing that the server knows better than
}

var _ fs.Object = (*Object)(nil)

// object returns the Object of a file that a server told of.
func (f *Fs) object(remote string, info iofs.FileInfo) *Object {
	o := &Object{fs: f, remote: remote, size: info.Size(), modTime: info.ModTime()}
	if facts, ok := info.Sys().(*ftpnat.Facts); ok {
		o.rough = f.features.SlowModTime && (facts.Precision > time.Second || !facts.Zoned)
	}
	return o
}

// NewObject looks a file up.
func (f *Fs) NewObject(ctx context.Context, remote string) (fs.Object, error) {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return nil, err
	}
	info, err := fsys.Stat(f.at(remote))
	switch {
	case err != nil:
		return nil, translate(err, fs.ErrorObjectNotFound)
	case info.IsDir():
		return nil, fs.ErrorIsDir
	case !info.Mode().IsRegular():
		return nil, fs.ErrorNotAFile
	}
	return f.object(remote, info), nil
}

// Fs returns the Fs that the file is in.
func (o *Object) Fs() fs.Info { return o.fs }

// Remote returns the name in the Fs.
func (o *Object) Remote() string { return o.remote }

// String describes the file in logs.
func (o *Object) String() string {
	if o == nil {
		return "<nil>"
	}
	return o.remote
}

// Size returns the size in bytes.
func (o *Object) Size() int64 { return o.size }

// ModTime returns the time of the last change. It asks the server where the listing
// told it to the minute.
func (o *Object) ModTime(ctx context.Context) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.rough {
		return o.modTime
	}
	fsys, err := o.fs.server.use(ctx)
	if err == nil {
		var t time.Time
		if t, err = fsys.ModTime(o.fs.at(o.remote)); err == nil {
			o.modTime, o.rough = t, false
		}
	}
	if err != nil {
		fs.Debugf(o, "the time as listed, as the server does not tell: %v", err)
	}
	return o.modTime
}

// setTime records the time of the last change.
func (o *Object) setTime(t time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.modTime, o.rough = t, false
}

// Storable reports that the file can be copied.
func (o *Object) Storable() bool { return true }

// Hash has the server compute a hash.
func (o *Object) Hash(ctx context.Context, kind hash.Type) (string, error) {
	name, ok := o.fs.hashes[kind]
	if !ok {
		return "", hash.ErrUnsupported
	}
	fsys, err := o.fs.server.use(ctx)
	if err != nil {
		return "", err
	}
	sum, err := fsys.Hash(o.fs.at(o.remote), name)
	if errors.Is(err, errors.ErrUnsupported) {
		return "", hash.ErrUnsupported
	}
	return hex.EncodeToString(sum), translate(err, fs.ErrorObjectNotFound)
}

// SetModTime sets the time of the last change.
func (o *Object) SetModTime(ctx context.Context, t time.Time) error {
	if o.fs.times == fs.ModTimeNotSupported {
		return fs.ErrorCantSetModTime
	}
	fsys, err := o.fs.server.use(ctx)
	if err != nil {
		return err
	}
	t = t.Truncate(time.Second)
	err = fsys.Chtimes(o.fs.at(o.remote), t, t)
	if errors.Is(err, errors.ErrUnsupported) {
		return fs.ErrorCantSetModTime
	}
	if err == nil {
		o.setTime(t)
	}
	return translate(err, fs.ErrorObjectNotFound)
}

// part is a part of an open file.
type part struct {
	io.Reader
	file *ftpnat.File
}

func (p *part) Close() error { return p.file.Close() }

// whole is an open file.
type whole struct{ *ftpnat.File }

// Read reads on; its errors say whether another try may help.
func (w whole) Read(b []byte) (int, error) {
	n, err := w.File.Read(b)
	if err != nil && err != io.EOF {
		err = translate(err, fs.ErrorObjectNotFound)
	}
	return n, err
}

// Open opens the file for reading.
func (o *Object) Open(ctx context.Context, options ...fs.OpenOption) (io.ReadCloser, error) {
	offset, limit := int64(0), int64(-1)
	for _, option := range options {
		switch x := option.(type) {
		case *fs.SeekOption:
			offset = x.Offset
		case *fs.RangeOption:
			offset, limit = x.Decode(o.size)
		default:
			if option.Mandatory() {
				fs.Logf(o, "Unsupported mandatory option: %v", option)
			}
		}
	}
	fsys, err := o.fs.server.use(ctx)
	if err != nil {
		return nil, err
	}
	file, err := fsys.OpenFile(o.fs.at(o.remote), os.O_RDONLY, 0)
	if err != nil {
		return nil, translate(err, fs.ErrorObjectNotFound)
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		file.Close()
		return nil, translate(err, fs.ErrorObjectNotFound)
	}
	if limit < 0 {
		return whole{file}, nil
	}
	return &part{io.LimitReader(whole{file}, limit), file}, nil
}

// Update replaces the content of the file.
func (o *Object) Update(ctx context.Context, in io.Reader, src fs.ObjectInfo, _ ...fs.OpenOption) error {
	fsys, err := o.fs.server.use(ctx)
	if err != nil {
		return err
	}
	name := o.fs.at(o.remote)
	if err := o.fs.makeDir(fsys, path.Dir(name)); err != nil {
		return err
	}
	if src.Size() >= 0 {
		s := newSource(ctx, in, src, int64(o.fs.opt.UploadBuffer))
		defer s.Close()
		o.size, err = fsys.Upload(name, s)
	} else {
		o.size, err = stream(fsys, name, in)
	}
	if err != nil {
		// The directory is gone, if something is missing.
		return o.fs.gone(err, fserrors.RetryError(err))
	}
	err = o.SetModTime(ctx, src.ModTime(ctx))
	if !errors.Is(err, fs.ErrorCantSetModTime) {
		return err
	}
	info, err := fsys.Stat(name)
	if err == nil {
		o.setTime(info.ModTime())
	}
	return translate(err, fs.ErrorObjectNotFound)
}

// stream uploads what is not known to end.
func stream(fsys *ftpnat.FS, name string, in io.Reader) (int64, error) {
	file, err := fsys.CreateAtomic(name)
	if err != nil {
		return 0, err
	}
	n, err := file.ReadFrom(in)
	if err != nil {
		file.Abort()
		return n, err
	}
	return n, file.Close()
}

// Remove removes the file.
func (o *Object) Remove(ctx context.Context) error {
	fsys, err := o.fs.server.use(ctx)
	if err != nil {
		return err
	}
	return translate(fsys.Remove(o.fs.at(o.remote)), fs.ErrorObjectNotFound)
}

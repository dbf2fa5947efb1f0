// Package rclone is a backend for rclone (https://rclone.org) on ftpnat. Its type
// in rclone's configuration is "ftpnat", and its options have the names of those of
// rclone's own ftp backend. Programs that embed rclone import it for its effect:
//
//	import _ "github.com/ftpnat/ftpnat/adapters/rclone"
//
// cmd/rclone-ftpnat is rclone with it.
//
// A file appears under its name when it is whole: it is written under a temporary
// name, checked, and renamed. Where the server can compute hashes, rclone's checks
// use them.
package rclone

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/fserrors"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/list"
)

// Fs is a directory of a server.
type Fs struct {
	name     string
	root     string
	opt      Options
	server   *server
	features *fs.Features
	times    time.Duration // the unit to which times can be set and read
	hashes   map[hash.Type]string
	down     sync.Once // of Shutdown

	mu   sync.Mutex
	dirs map[string]bool // directories that were there when somebody looked
}

var _ interface {
	fs.Fs
	fs.Mover
	fs.DirMover
	fs.Purger
	fs.PutStreamer
	fs.ListRer
	fs.CleanUpper
	fs.Commander
	fs.Shutdowner
} = (*Fs)(nil)

// NewFs returns the directory root of the server. If there is a file, the error is
// fs.ErrorIsFile and comes with the directory of it.
func NewFs(ctx context.Context, name, root string, m configmap.Mapper) (fs.Fs, error) {
	opt, err := newOptions(m)
	if err != nil {
		return nil, err
	}
	f := &Fs{name: name, root: root, opt: opt}
	f.server, err = serverOf(ctx, serverKey{Options: opt, root: strings.HasPrefix(root, "/")})
	if err != nil {
		return nil, err
	}
	fsys, err := f.server.use(ctx)
	if err != nil {
		return nil, err
	}
	f.ask()
	f.features = (&fs.Features{
		CanHaveEmptyDirectories: true,
		SlowHash:                true,
		SlowModTime:             f.has("MDTM") && !f.has("MLST"),
	}).Fill(ctx, f)
	f.server.hold()
	if root == "" || f.at("") == "." {
		return f, nil
	}
	if info, err := fsys.Stat(f.at("")); err == nil && info.Mode().IsRegular() {
		if f.root = path.Dir(root); f.root == "." {
			f.root = ""
		}
		return f, fs.ErrorIsFile
	} else if err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, iofs.ErrPermission) {
		f.Shutdown(ctx)
		return nil, err
	}
	return f, nil
}

// serverHashes has the algorithms by their names in FEAT.
var serverHashes = []struct {
	kind          hash.Type
	command, name string
}{
	{hash.MD5, "XMD5", "MD5"},
	{hash.SHA1, "XSHA1", "SHA-1"},
	{hash.SHA256, "XSHA256", "SHA-256"},
	{hash.SHA512, "XSHA512", "SHA-512"},
	{hash.CRC32, "XCRC", "CRC32"},
}

// has reports whether the server's FEAT has a feature.
func (f *Fs) has(feature string) bool { _, ok := f.server.features[feature]; return ok }

// ask takes what the server can do from its features.
func (f *Fs) ask() {
	f.times = fs.ModTimeNotSupported
	if (f.has("MFMT") || f.server.vsftpd || f.opt.WritingMDTM) && (f.has("MDTM") || f.has("MLST")) {
		f.times = time.Second
	}
	f.hashes = make(map[hash.Type]string)
	if f.opt.DisableHashCheck {
		return
	}
	offered := ";" + strings.ToUpper(strings.ReplaceAll(f.server.features["HASH"], "*", "")) + ";"
	for _, h := range serverHashes {
		if f.has(h.command) || strings.Contains(offered, ";"+h.name+";") {
			f.hashes[h.kind] = h.name
		}
	}
}

// Name returns the name of the remote.
func (f *Fs) Name() string { return f.name }

// Root returns the root that the Fs was made with.
func (f *Fs) Root() string { return f.root }

// String describes the Fs in logs.
func (f *Fs) String() string { return f.opt.url(false).String() + f.root }

// Features returns what the backend can do.
func (f *Fs) Features() *fs.Features { return f.features }

// Precision returns the unit to which times are exact.
func (f *Fs) Precision() time.Duration { return f.times }

// Hashes returns the hashes that the server computes.
func (f *Fs) Hashes() hash.Set {
	set := hash.NewHashSet()
	for kind := range f.hashes {
		set.Add(kind)
	}
	return set
}

// Shutdown closes the connections if no other remote uses them.
func (f *Fs) Shutdown(context.Context) (err error) {
	f.down.Do(func() { err = f.server.drop() })
	return err
}

// at returns where a remote name is in the FS of the server.
func (f *Fs) at(remote string) string {
	name := strings.Trim(path.Join(f.root, remote), "/")
	if name == "" || name == "." {
		return "."
	}
	return f.opt.Enc.FromStandardPath(name)
}

// translate returns rclone's error for one of ftpnat. missing is that for what is
// not there.
func translate(err, missing error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, iofs.ErrNotExist):
		return missing
	case ftpnat.Retryable(err):
		return fserrors.RetryError(err)
	}
	return err
}

// temporary matches the hidden names under which ftpnat writes files that are not
// whole yet, or moves files out of the way.
var temporary = regexp.MustCompile(`^\..+\.[a-z2-7]{8}\.(part|old)$`)

// entry returns what rclone is to know of an entry of a directory, nil if nothing. A
// symbolic link is the file that it leads to; directories behind links are left
// out, as they may lead anywhere.
func (f *Fs) entry(fsys *ftpnat.FS, dir string, e iofs.DirEntry) (fs.DirEntry, error) {
	if temporary.MatchString(e.Name()) {
		return nil, nil
	}
	info, err := e.Info()
	remote := path.Join(dir, f.opt.Enc.ToStandardName(e.Name()))
	if err == nil && info.Mode()&iofs.ModeSymlink != 0 {
		if info, err = fsys.Stat(f.at(remote)); err == nil && info.IsDir() {
			return nil, nil
		}
	}
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return fs.NewDir(remote, info.ModTime()), nil
	case info.Mode().IsRegular():
		return f.object(remote, info), nil
	}
	return nil, nil
}

// List lists a directory.
func (f *Fs) List(ctx context.Context, dir string) (entries fs.DirEntries, err error) {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := fsys.ReadDir(f.at(dir))
	if err != nil {
		return nil, translate(err, fs.ErrorDirNotFound)
	}
	f.saw(f.at(dir))
	for _, e := range listed {
		entry, err := f.entry(fsys, dir, e)
		if err != nil {
			return nil, translate(err, fs.ErrorDirNotFound)
		}
		if entry != nil {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// ListR lists a directory and all below it. On servers that allow it, ftpnat lists
// many directories in one round trip then.
func (f *Fs) ListR(ctx context.Context, dir string, callback fs.ListRCallback) error {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	top := f.at(dir)
	helper := list.NewHelper(callback)
	err = iofs.WalkDir(fsys, top, func(name string, e iofs.DirEntry, err error) error {
		switch {
		case err != nil && name != top && errors.Is(err, iofs.ErrNotExist):
			return nil
		case err != nil:
			return translate(err, fs.ErrorDirNotFound)
		case name == top:
			return nil
		}
		parent := strings.TrimPrefix(strings.TrimPrefix(path.Dir("/"+name), "/"+strings.TrimPrefix(top, ".")), "/")
		entry, err := f.entry(fsys, path.Join(dir, f.opt.Enc.ToStandardPath(parent)), e)
		if err != nil {
			return translate(err, fs.ErrorDirNotFound)
		}
		if e.IsDir() {
			f.saw(name)
		}
		return helper.Add(entry)
	})
	if err != nil {
		return err
	}
	return helper.Flush()
}

// mostDirs is how many directories are remembered.
const mostDirs = 10_000

// saw remembers that a directory is there.
func (f *Fs) saw(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs == nil || len(f.dirs) >= mostDirs {
		f.dirs = make(map[string]bool)
	}
	f.dirs[name] = true
}

// forget forgets which directories are there.
func (f *Fs) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirs = nil
}

// makeDir makes a directory and those above it, unless it is known to be there. It
// begins at the top, as a server that refuses MKD is asked why at length.
func (f *Fs) makeDir(fsys *ftpnat.FS, name string) error {
	f.mu.Lock()
	known := name == "." || f.dirs[name]
	f.mu.Unlock()
	if known {
		return nil
	}
	if err := f.makeDir(fsys, path.Dir(name)); err != nil {
		return err
	}
	if err := fsys.MkdirAll(name, 0o777); err != nil {
		return translate(err, fs.ErrorDirNotFound)
	}
	f.saw(name)
	return nil
}

// gone is translate for a change in a directory that was made before: if it is not
// there any more, the change is to be tried again.
func (f *Fs) gone(err error, missing error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		f.forget()
	}
	return translate(err, missing)
}

// Mkdir makes a directory and those above it.
func (f *Fs) Mkdir(ctx context.Context, dir string) error {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	name := f.at(dir)
	if err := f.makeDir(fsys, path.Dir(name)); err != nil {
		return err
	}
	if err := fsys.MkdirAll(name, 0o777); err != nil {
		return f.gone(err, fs.ErrorDirNotFound)
	}
	f.saw(name)
	return nil
}

// Rmdir removes an empty directory.
func (f *Fs) Rmdir(ctx context.Context, dir string) error {
	return f.removeDir(ctx, dir, (*ftpnat.FS).Remove)
}

// Purge removes a directory with all that is in it.
func (f *Fs) Purge(ctx context.Context, dir string) error {
	return f.removeDir(ctx, dir, (*ftpnat.FS).RemoveAll)
}

func (f *Fs) removeDir(ctx context.Context, dir string, remove func(fsys *ftpnat.FS, name string) error) error {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	name := f.at(dir)
	info, err := fsys.Stat(name)
	switch {
	case err != nil:
		return translate(err, fs.ErrorDirNotFound)
	case !info.IsDir():
		return fs.ErrorIsFile
	}
	f.forget()
	return translate(remove(fsys, name), fs.ErrorDirNotFound)
}

// Put uploads a file.
func (f *Fs) Put(ctx context.Context, in io.Reader, src fs.ObjectInfo, options ...fs.OpenOption) (fs.Object, error) {
	o := &Object{fs: f, remote: src.Remote()}
	if err := o.Update(ctx, in, src, options...); err != nil {
		return nil, err
	}
	return o, nil
}

// PutStream uploads a file of a size that may not be known.
func (f *Fs) PutStream(ctx context.Context, in io.Reader, src fs.ObjectInfo, options ...fs.OpenOption) (fs.Object, error) {
	return f.Put(ctx, in, src, options...)
}

// rename gives a file or directory of src a name in f.
func (f *Fs) rename(ctx context.Context, src *Fs, srcRemote, remote string) error {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	if err := f.makeDir(fsys, path.Dir(f.at(remote))); err != nil {
		return err
	}
	return f.gone(fsys.Rename(src.at(srcRemote), f.at(remote)), fs.ErrorObjectNotFound)
}

// Move renames a file.
func (f *Fs) Move(ctx context.Context, src fs.Object, remote string) (fs.Object, error) {
	o, ok := src.(*Object)
	if !ok || o.fs.server != f.server {
		return nil, fs.ErrorCantMove
	}
	if err := f.rename(ctx, o.fs, o.remote, remote); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return &Object{fs: f, remote: remote, size: o.size, modTime: o.modTime, rough: o.rough}, nil
}

// DirMove renames a directory.
func (f *Fs) DirMove(ctx context.Context, src fs.Fs, srcRemote, dstRemote string) error {
	from, ok := src.(*Fs)
	if !ok || from.server != f.server {
		return fs.ErrorCantDirMove
	}
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	if _, err := fsys.Lstat(f.at(dstRemote)); err == nil {
		return fs.ErrorDirExists
	} else if !errors.Is(err, iofs.ErrNotExist) {
		return translate(err, fs.ErrorDirNotFound)
	}
	defer from.forget()
	return f.rename(ctx, from, srcRemote, dstRemote)
}

// CleanUp removes what broken uploads have left, if it is a day old.
func (f *Fs) CleanUp(ctx context.Context) error {
	fsys, err := f.server.use(ctx)
	if err != nil {
		return err
	}
	return iofs.WalkDir(fsys, f.at(""), func(name string, e iofs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !temporary.MatchString(e.Name()) {
			return err
		}
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < 24*time.Hour {
			return err
		}
		fs.Infof(f, "removing %s", name)
		return fsys.Remove(name)
	})
}

var commandHelp = []fs.CommandHelp{{
	Name:  "probe",
	Short: "Try every way to open a data connection.",
	Long:  "It prints what was found out about the path to the server, and what a person\ncan do about it.\n\n    rclone backend probe remote:",
}}

// Command runs a command of the backend.
func (f *Fs) Command(ctx context.Context, name string, _ []string, _ map[string]string) (any, error) {
	if name != "probe" {
		return nil, fs.ErrorCommandNotFound
	}
	d := *f.server.dialer
	d.ImplicitTLS = f.opt.TLS
	report, err := d.Probe(ftpnat.WithTrace(ctx, f.server.trace), f.opt.url(false).Host)
	if err != nil {
		return nil, err
	}
	return report.String(), nil
}

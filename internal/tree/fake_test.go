package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

var written = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeServer is a server without one: a Source and a Target.
type fakeServer struct {
	mu    sync.Mutex
	files map[string]*fakeFile // by name; the root is not in it
	opens map[string]int       // number of times that each was opened
	calls map[string]int       // number of calls of each method

	// content returns what a file sends from an offset on when it is opened
	// for the nth time, counted from 1; the error comes behind it.
	content func(name string, nth int, off int64) ([]byte, error)
	check   func(name string, e listing.Entry, timed bool) (*Digest, error)
	modTime func(e *listing.Entry) error
	create  func(name string) error
	during  func(ctx context.Context, name string) // each read and write
}

type fakeFile struct {
	data []byte
	e    listing.Entry
	dest string // of a link, in the server
}

// newServer returns a server with files: "/" for a directory, "-> " and a
// target for a link, and else the content.
func newServer(files map[string]string) *fakeServer {
	s := &fakeServer{files: make(map[string]*fakeFile), opens: make(map[string]int), calls: make(map[string]int)}
	for name, content := range files {
		s.add(name, content)
	}
	return s
}

func (s *fakeServer) add(name, content string) *fakeFile {
	e := listing.Entry{Name: path.Base(name), Type: listing.TypeFile, Size: int64(len(content)), ModTime: written, Precision: listing.PrecisionSecond, Absolute: true}
	f := &fakeFile{data: []byte(content)}
	if target, ok := strings.CutPrefix(content, "-> "); ok {
		e.Type, e.Target, f.dest = listing.TypeLink, target, path.Join(path.Dir(name), target)
	} else if content == "/" {
		e.Type, e.Size = listing.TypeDir, -1
	}
	f.e = e
	s.files[name] = f
	for dir := path.Dir(name); dir != "." && s.files[dir] == nil; dir = path.Dir(dir) {
		s.add(dir, "/")
	}
	return f
}

// tree returns what newServer was given.
func (s *fakeServer) tree() map[string]string {
	all := make(map[string]string)
	for name, f := range s.files {
		switch f.e.Type {
		case listing.TypeDir:
			all[name] = "/"
		case listing.TypeLink:
			all[name] = "-> " + f.e.Target
		default:
			all[name] = string(f.data)
		}
	}
	return all
}

func (s *fakeServer) find(ctx context.Context, op, name string) (*fakeFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	if err := ctx.Err(); err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if name == "." {
		return &fakeFile{e: listing.Entry{Name: ".", Type: listing.TypeDir}}, nil
	}
	f := s.files[name]
	if f != nil && f.e.Type == listing.TypeLink && op != "lstat" {
		f = s.files[f.dest]
	}
	if f == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: proto.Missing(nil)}
	}
	return f, nil
}

func (s *fakeServer) Stat(ctx context.Context, name string) (listing.Entry, error) {
	f, err := s.find(ctx, "stat", name)
	if err != nil {
		return listing.Entry{}, err
	}
	return f.e, nil
}

func (s *fakeServer) ReadDir(ctx context.Context, dir string) ([]listing.Entry, error) {
	f, err := s.find(ctx, "readdir", dir)
	if err != nil {
		return nil, err
	}
	if f.e.Type != listing.TypeDir {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: &proto.FSError{Kind: proto.ErrNotDir}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []listing.Entry
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if path.Dir(name) == dir {
			entries = append(entries, s.files[name].e)
		}
	}
	return entries, nil
}

func (s *fakeServer) ReadLink(ctx context.Context, name string) (string, error) {
	f, err := s.find(ctx, "readlink", name)
	if err != nil {
		return "", err
	}
	return f.dest, nil
}

func (s *fakeServer) Open(ctx context.Context, name string, how Opening) (File, error) {
	f, err := s.find(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	e := f.e
	if how.Entry != nil {
		e = *how.Entry
	}
	return &fakeReader{s: s, ctx: ctx, name: name, f: f, e: e, how: how}, nil
}

func (s *fakeServer) ModTime(ctx context.Context, name string, e *listing.Entry) error {
	if _, err := s.find(ctx, "fetch", name); err != nil {
		return err
	}
	if s.modTime != nil {
		return s.modTime(e)
	}
	return nil
}

func (s *fakeServer) Check(ctx context.Context, name string, e listing.Entry, timed bool) (*Digest, error) {
	f, err := s.find(ctx, "fetch", name)
	switch {
	case err != nil:
		return nil, err
	case s.check != nil:
		return s.check(name, e, timed)
	case f.e.Size != e.Size:
		return nil, proto.ErrChanged
	}
	return nil, nil
}

func (s *fakeServer) Mkdir(ctx context.Context, name string) error {
	if _, err := s.find(ctx, "mkdir", path.Dir(name)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files[name] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	s.add(name, "/")
	return nil
}

func (s *fakeServer) MkdirAll(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["mkdirall"]++
	s.add(name, "/")
	return nil
}

func (s *fakeServer) Create(ctx context.Context, name string, size int64) (Writer, error) {
	if s.create != nil {
		if err := s.create(name); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return &fakeWriter{s: s, ctx: ctx, name: name, size: size}, nil
}

// fakeReader sends a file.
type fakeReader struct {
	s    *fakeServer
	ctx  context.Context
	name string
	f    *fakeFile
	e    listing.Entry
	how  Opening
	off  int64
	rest io.Reader // nil if no transfer is under way
	err  error     // comes behind rest
}

func (r *fakeReader) Entry() listing.Entry { return r.e }

func (r *fakeReader) Close() error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.calls["close"]++
	return nil
}

func (r *fakeReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		panic("Seek")
	}
	r.off, r.rest = offset, nil
	return offset, nil
}

func (r *fakeReader) start() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.opens[r.name]++
	data, err := r.f.data[min(r.off, int64(len(r.f.data))):], error(nil)
	if r.s.content != nil {
		data, err = r.s.content(r.name, r.s.opens[r.name], r.off)
	}
	if err == nil {
		err = io.EOF
	}
	r.rest, r.err = bytes.NewReader(data), err
}

func (r *fakeReader) Read(p []byte) (int, error) {
	if r.rest == nil {
		r.start()
	}
	if r.s.during != nil {
		r.s.during(r.ctx, r.name)
	}
	err := r.ctx.Err()
	if err == nil {
		var n int
		if n, err = r.rest.Read(p); err == nil {
			return n, nil
		}
		err = r.err
	}
	if err == io.EOF {
		return 0, err
	}
	return 0, &fs.PathError{Op: "read", Path: r.name, Err: err}
}

func (r *fakeReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// fakeWriter takes a file.
type fakeWriter struct {
	s    *fakeServer
	ctx  context.Context
	name string
	size int64
	buf  bytes.Buffer
}

func (w *fakeWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.s.during != nil {
		w.s.during(w.ctx, w.name)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, &fs.PathError{Op: "write", Path: w.name, Err: err}
	}
	return w.buf.ReadFrom(r)
}

func (w *fakeWriter) Close() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.size != int64(w.buf.Len()) {
		return fmt.Errorf("%s: %d bytes, want %d", w.name, w.buf.Len(), w.size)
	}
	w.s.add(w.name, w.buf.String())
	return nil
}

func (w *fakeWriter) Abort() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.calls["abort"]++
}

// errNoRestart is the error of a server that cannot resume, as FS has it.
func errNoRestart(name string) error {
	return &proto.FSError{Kind: errors.ErrUnsupported, Err: fmt.Errorf("%s: %w", name, proto.ErrNoRestart)}
}

// most returns options for a number of connections.
func most(n int) Options { return Options{Most: n, Room: func() int { return n }} }

// localTree is what the tree of a server would be, of a local directory.
func localTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		switch d.Type() {
		case fs.ModeDir:
			all[key] = "/"
		case fs.ModeSymlink:
			target, err := os.Readlink(name)
			all[key] = "-> " + filepath.ToSlash(target)
			return err
		default:
			data, err := os.ReadFile(name)
			all[key] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	t.Errorf("got %v, want %v", short(got), short(want))
}

// short returns a tree with the lengths of long files.
func short(tree map[string]string) map[string]string {
	tree = maps.Clone(tree)
	for name, data := range tree {
		if len(data) > 20 {
			tree[name] = fmt.Sprintf("%d bytes", len(data))
		}
	}
	return tree
}

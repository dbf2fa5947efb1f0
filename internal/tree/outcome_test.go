package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// TestFetchGoesOn has many names fail: the others are there, the errors come back
// joined and bounded, and a hook is told of each.
func TestFetchGoesOn(t *testing.T) {
	for _, conns := range []int{1, 4} {
		srv := newServer(nil)
		for i := range 300 {
			srv.add(fmt.Sprintf("d/%03d", i), "data")
		}
		srv.content = func(name string, _ int, _ int64) ([]byte, error) {
			if name[2] != '2' { // 000 to 199
				return nil, fs.ErrPermission
			}
			return []byte("data"), nil
		}
		notes := 0
		ctx := trace.With(t.Context(), &trace.Hooks{Note: func(string) { notes++ }})
		dst := t.TempDir()
		err := Fetch(ctx, unreadable{srv}, most(conns), dst, ".")
		var pe *fs.PathError
		if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &pe) || proto.Unread(err) == nil || !strings.Contains(err.Error(), "and 102 errors more") {
			t.Errorf("Fetch = %v", err)
		}
		if n := len(localTree(t, dst)); n != 101 || notes != 202 {
			t.Errorf("%d names, %d notes", n, notes)
		}
	}
}

// unreadable is a server whose listings have lines that are not understood.
type unreadable struct{ *fakeServer }

// ReadDir lists a directory.
func (u unreadable) ReadDir(ctx context.Context, dir string) ([]listing.Entry, error) {
	entries, err := u.fakeServer.ReadDir(ctx, dir)
	if err == nil {
		unread := &proto.ListingError{Dir: dir}
		unread.Add("What?", "it is no entry")
		err = &fs.PathError{Op: "readdir", Path: dir, Err: unread}
	}
	return entries, err
}

// TestCopyGoesOn has a directory that cannot be made and a file that is refused.
func TestCopyGoesOn(t *testing.T) {
	src := fstest.MapFS{"a/1": {Data: []byte("to/a/1")}, "b/1": {Data: []byte("to/b/1")}, "b/2": {Data: []byte("to/b/2")}, "c": {Data: []byte("to/c")}}
	for _, conns := range []int{1, 4} {
		srv := newServer(map[string]string{"to/a": "file"})
		srv.create = func(name string) error {
			if name == "to/b/1" {
				return fs.ErrPermission
			}
			return nil
		}
		err := Copy(t.Context(), srv, most(conns), "to", from(src))
		if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, proto.ErrNotDir) {
			t.Errorf("Copy = %v", err)
		}
		same(t, srv.tree(), map[string]string{"to": "/", "to/a": "file", "to/b": "/", "to/b/2": "to/b/2", "to/c": "to/c"})
	}
}

// TestEnds has what ends a copy, and what does not.
func TestEnds(t *testing.T) {
	reply := func(line string, code int) error {
		return &fs.PathError{Op: "open", Path: "x", Err: proto.Refusal(line, proto.Reply{Code: code, Lines: []string{"No."}})}
	}
	for _, err := range []error{
		context.Canceled, proto.ErrClosed, proto.ErrLost, proto.ErrSilent, &proto.NegotiateError{}, reply("PASS x", 530), reply("RETR x", 421),
		&proto.FSError{Kind: syscall.ENOSPC}, &diskError{syscall.EIO},
	} {
		if !ends(err) {
			t.Errorf("%v does not end a copy", err)
		}
	}
	for _, err := range []error{
		reply("RETR x", 550), reply("RETR x", 450), proto.ErrChanged, proto.ErrShort, &proto.ListingError{}, fs.ErrExist, proto.Missing(nil), &proto.FSError{Kind: fs.ErrPermission},
	} {
		if ends(err) {
			t.Errorf("%v ends a copy", err)
		}
	}
}

// TestFetchGrowing has a file that grows while it is read: what was there at first
// is fetched, and the error says so. One that is another file is not.
func TestFetchGrowing(t *testing.T) {
	for _, tt := range []struct {
		came string
		size int64 // afterwards
		err  error
		want map[string]string
	}{
		{"line 1\nline 2\n", 14, proto.ErrChanged, map[string]string{"log": "line 1\n"}},
		{"line 1\n", 14, proto.ErrChanged, map[string]string{"log": "line 1\n"}},
		{"lin", 14, proto.ErrChanged, nil},
		{"line 1\nline 2\n", 3, proto.ErrChanged, nil},
		{"line 1\n", 14, fs.ErrPermission, nil},
	} {
		srv := newServer(map[string]string{"log": "line 1\n"})
		srv.content = func(string, int, int64) ([]byte, error) {
			srv.files["log"].e.Size = tt.size
			return []byte(tt.came), tt.err
		}
		dst := t.TempDir()
		if err := Fetch(t.Context(), srv, most(1), dst, "."); !errors.Is(err, tt.err) || !strings.Contains(err.Error(), "log") {
			t.Errorf("Fetch = %v", err)
		}
		same(t, localTree(t, dst), tt.want)
	}
}

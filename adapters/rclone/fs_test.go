package rclone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/ftptest"
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/fserrors"
	"github.com/rclone/rclone/fs/object"
	"github.com/rclone/rclone/fs/operations"
)

// remote returns a remote on a server.
func remote(t *testing.T, srv *ftptest.Server, options, root string) fs.Fs {
	t.Helper()
	host, port, _ := net.SplitHostPort(srv.Addr)
	f, err := fs.NewFs(t.Context(), fmt.Sprintf(":ftpnat,host=%s,port=%s,user=anonymous%s:%s", host, port, options, root))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Features().Shutdown(context.Background()) })
	return f
}

// TestUploadBroken breaks an upload of what can be read again, and of what cannot.
func TestUploadBroken(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	local, err := fs.NewFs(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := local.NewObject(t.Context(), "file")
	if err != nil {
		t.Fatal(err)
	}
	stream := object.NewStaticObjectInfo("file", time.Now(), int64(len(data)), true, nil, nil)
	for _, tt := range []struct {
		name, options string
		src           fs.ObjectInfo
		broken        bool
	}{
		{"an object", ",upload_buffer=0", file, false},
		{"a stream in memory", "", stream, false},
		{"a large stream", ",upload_buffer=2Mi", stream, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := ftptest.NewServer(nil, ftptest.CutData(2<<20).On(1))
			defer srv.Close()
			f := remote(t, srv, tt.options, "")
			o, err := f.Put(t.Context(), bytes.NewReader(data), tt.src)
			if tt.broken {
				entries, _ := iofs.ReadDir(srv.FS(), ".")
				if err == nil || len(entries) > 0 {
					t.Errorf("Put = %v, and the server has %v", err, entries)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := iofs.ReadFile(srv.FS(), "file")
			if err != nil || !bytes.Equal(got, data) || o.Size() != int64(len(data)) {
				t.Errorf("the server has %d bytes, %v; the object %d", len(got), err, o.Size())
			}
		})
	}
}

// TestDownloadBroken breaks a download, of which rclone reads a range.
func TestDownloadBroken(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	srv := ftptest.NewServer(nil, ftptest.CutData(300_000))
	defer srv.Close()
	if err := srv.WriteFile("file", data, time.Time{}); err != nil {
		t.Fatal(err)
	}
	o, err := remote(t, srv, "", "").NewObject(t.Context(), "file")
	if err != nil {
		t.Fatal(err)
	}
	in, err := o.Open(t.Context(), &fs.RangeOption{Start: 100, End: 899_999})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, data[100:900_000]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestShared has two remotes of a server that takes one connection, and copies from
// the one to the other.
func TestShared(t *testing.T) {
	srv := ftptest.NewUnstartedServer(nil)
	srv.MaxConns = 1
	srv.Start()
	defer srv.Close()
	data := bytes.Repeat([]byte("data"), 1<<20)
	if err := srv.WriteFile("a/file", data, time.Now()); err != nil {
		t.Fatal(err)
	}
	a, b := remote(t, srv, ",concurrency=1", "a"), remote(t, srv, ",concurrency=1", "b")
	o, err := a.NewObject(t.Context(), "file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operations.Copy(t.Context(), b, nil, "dir/copy", o); err != nil {
		t.Fatal(err)
	}
	if got, err := iofs.ReadFile(srv.FS(), "b/dir/copy"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	logins := 0
	for _, c := range srv.Commands() {
		if strings.HasPrefix(c, "PASS") {
			logins++
		}
	}
	if logins != 1 {
		t.Errorf("%d logins", logins)
	}
}

// TestLeft lists and removes what broken uploads have left.
func TestLeft(t *testing.T) {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	old, fresh := ".file.abcdefgh.part", ".file.abcdefg2.part"
	for name, at := range map[string]time.Time{"file": {}, old: time.Now().Add(-25 * time.Hour), fresh: time.Now()} {
		if err := srv.WriteFile(name, nil, at); err != nil {
			t.Fatal(err)
		}
	}
	f := remote(t, srv, "", "")
	entries, err := f.List(t.Context(), "")
	if err != nil || len(entries) != 1 || entries[0].Remote() != "file" {
		t.Errorf("List = %v, %v", entries, err)
	}
	if err := f.Features().CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := iofs.Stat(srv.FS(), old); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := iofs.Stat(srv.FS(), fresh); err != nil {
		t.Errorf("the fresh one: %v", err)
	}
}

// TestDirGone uploads into a directory that somebody else removes after it was
// listed: rclone is to try again, and that succeeds.
func TestDirGone(t *testing.T) {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	f := remote(t, srv, "", "")
	if err := f.Mkdir(t.Context(), "dir"); err != nil {
		t.Fatal(err)
	}
	if err := srv.Remove("dir"); err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := f.Put(t.Context(), strings.NewReader("data"), object.NewStaticObjectInfo("dir/file", time.Now(), 4, true, nil, nil))
		return err
	}
	if err := put(); !fserrors.IsRetryError(err) {
		t.Errorf("Put = %v, want an error that asks for another try", err)
	}
	if err := put(); err != nil {
		t.Error(err)
	}
}

// TestSecret has a wrong password: it is in no error and in no name.
func TestSecret(t *testing.T) {
	srv := ftptest.NewUnstartedServer(nil)
	srv.Users = map[string]string{"joe": "right"}
	srv.Start()
	defer srv.Close()
	host, port, _ := net.SplitHostPort(srv.Addr)
	m := map[string]string{"host": host, "port": port, "user": "joe", "pass": obscure.MustObscure(secret)}
	_, err := NewFs(t.Context(), "remote", "", configmap.Simple(m))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("NewFs = %v", err)
	}
}

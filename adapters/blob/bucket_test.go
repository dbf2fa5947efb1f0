package blob

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// open returns a bucket on a fresh server.
func open(t *testing.T, opts *Options, files fs.FS, faults ...ftptest.Fault) (*blob.Bucket, *ftptest.Server) {
	t.Helper()
	srv := ftptest.NewServer(files, faults...)
	t.Cleanup(srv.Close)
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() })
	return OpenBucket(fsys, opts), srv
}

// names returns the names of all files of a server.
func names(t *testing.T, srv *ftptest.Server) (files []string) {
	t.Helper()
	err := fs.WalkDir(srv.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestURL(t *testing.T) {
	for scheme, start := range map[string]func(*ftptest.Server){
		"ftp":   (*ftptest.Server).Start,
		"ftpes": (*ftptest.Server).StartTLS,
		"ftps":  func(s *ftptest.Server) { s.ImplicitTLS = true; s.StartTLS() },
	} {
		t.Run(scheme, func(t *testing.T) {
			srv := ftptest.NewUnstartedServer(fstest.MapFS{"dir/a b.txt": {Data: []byte("abc")}})
			srv.Users = map[string]string{"user": "secret"}
			start(srv)
			defer srv.Close()
			if !strings.HasPrefix(srv.URL, scheme+"://") {
				t.Fatal(srv.URL)
			}
			mux := new(blob.URLMux)
			mux.RegisterBucket(scheme, &URLOpener{Dialer: &ftpnat.Dialer{TLSConfig: srv.ClientTLS()}})
			b, err := mux.OpenBucket(t.Context(), scheme+"://user:secret@"+srv.Addr+"/dir?metadata=skip")
			if err != nil {
				t.Fatal(err)
			}
			if data, err := b.ReadAll(t.Context(), "a b.txt"); string(data) != "abc" || err != nil {
				t.Errorf("%q, %v", data, err)
			}
			if err := b.WriteAll(t.Context(), "new/b", []byte("x"), nil); err != nil {
				t.Error(err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if got := names(t, srv); !slices.Equal(got, []string{"dir/a b.txt", "dir/new/b"}) {
				t.Errorf("on the server: %v", got)
			}
		})
	}
	for _, scheme := range Schemes {
		if !blob.DefaultURLMux().ValidBucketScheme(scheme) {
			t.Errorf("%s is not registered", scheme)
		}
	}
}

// TestURLSecret has errors of Open: no password is in them.
func TestURLSecret(t *testing.T) {
	srv := ftptest.NewUnstartedServer(nil)
	srv.Users = map[string]string{"user": "other"}
	srv.Start()
	defer srv.Close()
	for _, raw := range []string{"ftp://user:hunter2@" + srv.Addr + "/", "ftp://user:hunter2@" + srv.Addr + "/?metadata=what"} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = new(URLOpener).OpenBucketURL(t.Context(), u)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestCanceled has writes that end early: nothing of them is left, and what was
// there stays.
func TestCanceled(t *testing.T) {
	b, srv := open(t, nil, fstest.MapFS{"a": {Data: []byte("before")}})
	for _, size := range []int{0, 10, 1 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := b.NewWriter(ctx, "a", &blob.WriterOptions{ContentType: "text/plain"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("%d bytes: Close: %v", size, err)
		}
	}
	if got := names(t, srv); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left: %v", got)
	}
	if data, err := b.ReadAll(t.Context(), "a"); string(data) != "before" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// TestFull is a disk that is full: Close says so, and the blob is the old one.
func TestFull(t *testing.T) {
	b, _ := open(t, nil, fstest.MapFS{"a": {Data: []byte("before")}}, ftptest.Fail("STOR", "452 Disk full."))
	err := b.WriteAll(t.Context(), "a", make([]byte, 1000), nil)
	var reply *ftpnat.ReplyError
	if !b.ErrorAs(err, &reply) || reply.Reply.Code != 452 {
		t.Errorf("%v", err)
	}
	if data, err := b.ReadAll(t.Context(), "a"); string(data) != "before" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// TestReplaced replaces a blob by other means: its attributes are not those of the
// new content.
func TestReplaced(t *testing.T) {
	b, srv := open(t, nil, nil)
	opts := &blob.WriterOptions{ContentType: "text/csv", Metadata: map[string]string{"a": "b"}}
	if err := b.WriteAll(t.Context(), "x", []byte("old"), opts); err != nil {
		t.Fatal(err)
	}
	a, err := b.Attributes(t.Context(), "x")
	if sum := md5.Sum([]byte("old")); err != nil || a.ContentType != "text/csv" || a.Metadata["a"] != "b" || !slices.Equal(a.MD5, sum[:]) {
		t.Fatalf("%+v, %v", a, err)
	}
	for text, at := range map[string]time.Time{"newer": {}, "new": time.Now().Add(time.Hour)} {
		if err := srv.WriteFile("x", []byte(text), at); err != nil {
			t.Fatal(err)
		}
		a, err := b.Attributes(t.Context(), "x")
		if err != nil || a.ContentType != "application/octet-stream" || a.MD5 != nil || a.Metadata != nil {
			t.Errorf("%s: %+v, %v", text, a, err)
		}
	}
}

// TestServerMD5 asks the server for a hash only where that was asked for.
func TestServerMD5(t *testing.T) {
	for _, on := range []bool{false, true} {
		b, srv := open(t, &Options{ServerMD5: on, NoMetadata: true}, fstest.MapFS{"a": {Data: []byte("abc")}})
		a, err := b.Attributes(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		asked := slices.ContainsFunc(srv.Commands(), func(c string) bool { return strings.Contains(c, "MD5") })
		if sum := md5.Sum([]byte("abc")); asked && !slices.Equal(a.MD5, sum[:]) || asked && !on {
			t.Errorf("ServerMD5 %v: asked %v, %x", on, asked, a.MD5)
		}
	}
}

// TestPages lists each directory once, however many pages there are, and without
// sidecars and files that are not whole yet.
func TestPages(t *testing.T) {
	files := fstest.MapFS{".a.abcdefgh.part": {}, "f1.attrs": {}}
	for i := range 25 {
		files[fmt.Sprintf("d%d/e/f%d", i%3, i)] = &fstest.MapFile{}
		files[fmt.Sprintf("f%d", i)] = &fstest.MapFile{}
	}
	b, srv := open(t, nil, files)
	before := listings(srv)
	var keys []string
	for token := blob.FirstPageToken; token != nil; {
		objects, next, err := b.ListPage(t.Context(), token, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			keys = append(keys, o.Key)
		}
		token = next
	}
	if len(keys) != 50 || !slices.IsSorted(keys) {
		t.Errorf("%d keys: %v", len(keys), keys)
	}
	if n := listings(srv) - before; n != 7 {
		t.Errorf("%d listings of 7 directories", n)
	}
	// The same from the middle, with another bucket's token.
	second := OpenBucket(fsOf(t, b), nil)
	objects, _, err := second.ListPage(t.Context(), []byte(keys[20]), 100, nil)
	if err != nil || len(objects) != 29 || objects[0].Key != keys[21] {
		t.Errorf("%d objects, %v", len(objects), err)
	}
}

func fsOf(t *testing.T, b *blob.Bucket) (fsys *ftpnat.FS) {
	t.Helper()
	if !b.As(&fsys) {
		t.Fatal("As")
	}
	return fsys
}

func listings(srv *ftptest.Server) (n int) {
	for _, c := range srv.Commands() {
		if strings.HasPrefix(c, "MLSD") {
			n++
		}
	}
	return n
}

// TestEmptyDirs names directories without a look into them.
func TestEmptyDirs(t *testing.T) {
	for _, all := range []bool{false, true} {
		b, _ := open(t, &Options{EmptyDirs: all}, fstest.MapFS{"empty": {Mode: fs.ModeDir | 0o755}, "full/a": {}, "file": {}})
		var keys []string
		for it := b.List(&blob.ListOptions{Delimiter: "/"}); ; {
			o, err := it.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, o.Key)
		}
		want := []string{"file", "full/"}
		if all {
			want = []string{"empty/", "file", "full/"}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("EmptyDirs %v: %v", all, keys)
		}
	}
}

// TestBroken reads a blob through connections that break.
func TestBroken(t *testing.T) {
	text := strings.Repeat("0123456789\n", 10_000)
	b, _ := open(t, &Options{NoMetadata: true}, fstest.MapFS{"a": {Data: []byte(text)}}, ftptest.CutData(30_000).On(1), ftptest.CutData(30_000).On(2))
	if data, err := b.ReadAll(t.Context(), "a"); string(data) != text || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	r, err := b.NewRangeReader(t.Context(), "a", 55_000, 11, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); string(data) != "0123456789\n" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestErrorCode(t *testing.T) {
	b, _ := open(t, nil, fstest.MapFS{"dir/a": {}})
	_, err := b.SignedURL(t.Context(), "a", nil)
	if gcerrors.Code(err) != gcerrors.Unimplemented {
		t.Errorf("SignedURL: %v", err)
	}
	for key, want := range map[string]gcerrors.ErrorCode{"none": gcerrors.NotFound, "dir": gcerrors.NotFound, "a.attrs": gcerrors.InvalidArgument} {
		if _, err := b.ReadAll(t.Context(), key); gcerrors.Code(err) != want {
			t.Errorf("ReadAll %s: %v", key, err)
		}
		if err := b.Delete(t.Context(), key); gcerrors.Code(err) != want {
			t.Errorf("Delete %s: %v", key, err)
		}
	}
}

func TestEscape(t *testing.T) {
	for key, want := range map[string]string{
		"a/b c.txt": "a/b c.txt", "a//b": "a/__0x2f__b", "/a": "__0x2f__a", "a/": "a__0x2f__", "/": "__0x2f__",
		"..": ".__0x2e__", "a/.": "a/__0x2e__", "../a": "..__0x2f__a", "a/./b": "a/.__0x2f__b", "a..": "a..", "...": "...",
		"a\nb": "a__0xa__b", `a\b`: "a__0x5c__b", "__0x2f__": "__0x5f___0x2f__", "__0x": "__0x", "__0x2f\x01": "__0x5f___0x2f__0x1__",
	} {
		if got := escape(key); got != want || !fs.ValidPath(got) {
			t.Errorf("escape(%q) = %q, want %q", key, got, want)
		}
	}
}

// TestEscapeAll has all keys of up to six of the characters that matter: each has a
// name that a server can have, and is found again by it.
func TestEscapeAll(t *testing.T) {
	keys := []string{""}
	for range 6 {
		var longer []string
		for _, key := range keys {
			for _, c := range []string{"a", ".", "_", "/", "0", "x", "__0x2f"} {
				longer = append(longer, key+c)
			}
		}
		for _, key := range longer {
			if name := escape(key); unescape(name) != key || !fs.ValidPath(name) || name == "." {
				t.Fatalf("escape(%q) = %q, unescaped %q", key, name, unescape(name))
			}
		}
		keys = longer
	}
}

package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// archive is what the servers of the examples have.
var archive = fstest.MapFS{
	"readme.txt":       {Data: []byte("Welcome.\n")},
	"2006/jan.csv":     {Data: []byte("118\n")},
	"2006/feb.csv":     {Data: []byte("97\n")},
	"2006/raw/log.bin": {Data: bytes.Repeat([]byte("0123456789"), 20_000)},
}

// openServer opens the file system of a server. It is ftpnat.Open without a
// context and an error, to keep the examples short.
func openServer(srv *ftptest.Server) *ftpnat.FS {
	fsys, err := ftpnat.Open(context.Background(), srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	return fsys
}

// A file is read as any other. io.EOF comes when the server has confirmed that
// the file is complete.
func ExampleFS_Open() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	f, err := fsys.Open("readme.txt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(os.Stdout, f); err != nil {
		log.Fatal(err)
	}
	// Output: Welcome.
}

// A part of a large file, without what is before it: archive/zip and the like
// read their files so.
func ExampleFile_ReadAt() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	f, err := fsys.OpenFile("2006/raw/log.bin", os.O_RDONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	part := make([]byte, 5)
	if _, err := f.ReadAt(part, 100_003); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", part)
	// Output: 34567
}

func ExampleFS_ReadDir() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	entries, err := fsys.ReadDir("2006")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name(), e.IsDir())
	}
	// Output:
	// feb.csv false
	// jan.csv false
	// raw true
}

// fs.WalkDir lists many directories in one round trip, if the server allows
// it.
func ExampleFS_walk() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Println(name, info.Size())
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2006/feb.csv 3
	// 2006/jan.csv 4
	// 2006/raw/log.bin 200000
	// readme.txt 9
}

// Dir returns one directory as a file system, with all that an FS can do.
func ExampleFS_Dir() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	year, err := fsys.Dir("2006")
	if err != nil {
		log.Fatal(err)
	}
	names, err := year.Glob("*.csv")
	fmt.Println(names, err)
	fmt.Println(year.Rename("feb.csv", "february.csv"))
	// Output:
	// [feb.csv jan.csv] <nil>
	// <nil>
}

// Anything that takes an fs.FS takes a server: here net/http.
func ExampleFS_http() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	web := httptest.NewServer(http.FileServerFS(fsys))
	defer web.Close()
	resp, err := http.Get(web.URL + "/2006/jan.csv")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	// Output: 118
}

// A tree is copied down over several connections at once. Each file appears
// when it is whole, and a file that exists already is an error.
func ExampleFS_Fetch() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	if err := fsys.Fetch(dir, "2006"); err != nil {
		log.Fatal(err)
	}
	names, err := fs.Glob(os.DirFS(dir), "*")
	fmt.Println(names, err)

	err = fsys.Fetch(dir, "2006/jan.csv")
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// [feb.csv jan.csv raw] <nil>
	// true
}

func ExampleFS_CopyFS() {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	site := fstest.MapFS{ // or os.DirFS, an embed.FS, a zip.Reader
		"index.html":    {Data: []byte("<h1>Hello</h1>")},
		"css/style.css": {Data: []byte("h1 { color: red }")},
	}
	if err := fsys.CopyFS("public", site); err != nil {
		log.Fatal(err)
	}
	names, err := fs.Glob(fsys, "public/*")
	fmt.Println(names, err)
	// Output: [public/css public/index.html] <nil>
}

// A file appears under its name only when all of it is there.
func ExampleFS_Upload() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	n, err := fsys.Upload("2006/mar.csv", strings.NewReader("104\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes")
	// Output: 4 bytes
}

// Append adds to the end of a file. Close has the server's verdict.
func ExampleFS_Append() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	f, err := fsys.Append("2006/jan.csv")
	if err != nil {
		log.Fatal(err)
	}
	_, err = fmt.Fprintln(f, "121")
	if err := errors.Join(err, f.Close()); err != nil {
		log.Fatal(err)
	}
	data, err := fsys.ReadFile("2006/jan.csv")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// 118
	// 121
	// <nil>
}

// MkdirAll makes what is missing. It is not an error if the directory already
// exists.
func ExampleFS_MkdirAll() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	fmt.Println(fsys.MkdirAll("2006/reports/weekly", 0o777))
	fmt.Println(fsys.MkdirAll("2006/reports/weekly", 0o777))
	info, err := fsys.Stat("2006/reports/weekly")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.IsDir())
	// Output:
	// <nil>
	// <nil>
	// true
}

// Rename also moves a file to another directory.
func ExampleFS_Rename() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	if err := fsys.Mkdir("done", 0o777); err != nil {
		log.Fatal(err)
	}
	if err := fsys.Rename("2006/jan.csv", "done/jan.csv"); err != nil {
		log.Fatal(err)
	}
	_, err := fsys.Stat("2006/jan.csv")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

// The connection breaks twice on the way. The reader does not notice; a hook
// does.
func ExampleFS_resume() {
	srv := ftptest.NewServer(archive, ftptest.CutData(70_000).On(1), ftptest.CutData(70_000).On(2))
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()
	resumed := 0
	ctx := ftpnat.WithTrace(context.Background(), &ftpnat.Trace{Resume: func(ftpnat.ResumeEvent) { resumed++ }})

	f, err := fsys.WithContext(ctx).Open("2006/raw/log.bin")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	n, err := io.Copy(io.Discard, f)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes, resumed:", resumed)
	// Output: 200000 bytes, resumed: 2
}

// The context governs every call on an FS, and the files opened with it.
func ExampleFS_WithContext() {
	srv := ftptest.NewUnstartedServer(archive)
	srv.Rate = 10_000 // bytes per second
	srv.Start()
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := fsys.WithContext(ctx).ReadFile("2006/raw/log.bin")
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// Progress is reported a few times a second, and at the end.
func ExampleTrace_progress() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()
	ctx := ftpnat.WithTrace(context.Background(), &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) {
		if e.Bytes == e.Total {
			fmt.Printf("%s: all %d bytes\n", e.Name, e.Total)
		}
	}})

	f, err := fsys.WithContext(ctx).Open("2006/raw/log.bin")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(io.Discard, f); err != nil {
		log.Fatal(err)
	}
	// Output: 2006/raw/log.bin: all 200000 bytes
}

// An error says which name and why. That something is missing has been
// confirmed, because servers have one code for all that can be wrong.
func ExampleFS_errors() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	_, err := fsys.ReadFile("2007/jan.csv")
	var refused *ftpnat.ReplyError
	fmt.Println(errors.Is(err, fs.ErrNotExist), errors.As(err, &refused))
	fmt.Println(refused.Reply.Code)

	err = fsys.Mkdir("2006", 0o777)
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// true true
	// 550
	// true
}

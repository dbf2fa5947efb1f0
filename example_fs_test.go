package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"strings"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// openExample opens the file system of a server with a few files.
func openExample(change func(*ftptest.Server)) (fsys *ftpnat.FS, stop func()) {
	tree := ftptest.NewTree()
	for name, data := range map[string]string{
		"readme.txt":       "Welcome.\n",
		"2006/jan.csv":     "118\n",
		"2006/feb.csv":     "97\n",
		"2006/raw/log.bin": strings.Repeat("0123456789", 20_000),
	} {
		if err := tree.WriteFile(name, []byte(data), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	srv := &ftptest.Server{Tree: tree, Personality: ftptest.ProFTPD()}
	if change != nil {
		change(srv)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	srv.Start(ln)
	fsys, err = ftpnat.Open(context.Background(), "ftp://"+ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	return fsys, func() {
		fsys.Close()
		srv.Close()
	}
}

// A file is read as any other; io.EOF comes when the server has said that it is
// complete.
func ExampleFS_Open() {
	fsys, stop := openExample(nil)
	defer stop()

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

// What works on an fs.FS works on the server.
func ExampleFS_walk() {
	fsys, stop := openExample(nil)
	defer stop()

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

// A tree is copied down by package os.
func ExampleFS_copyDown() {
	fsys, stop := openExample(nil)
	defer stop()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	if err := os.CopyFS(dir, fsys); err != nil {
		log.Fatal(err)
	}
	data, err := os.ReadFile(dir + "/2006/jan.csv")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output: 118
}

// A tree is copied down over several connections at once; each file appears
// when it is whole.
func ExampleFS_Fetch() {
	fsys, stop := openExample(nil)
	defer stop()
	dir, err := os.MkdirTemp("", "backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	if err := fsys.Fetch(dir, "2006"); err != nil {
		log.Fatal(err)
	}
	names, err := fs.Glob(os.DirFS(dir), "*/*")
	fmt.Println(names, err)

	err = fsys.Fetch(dir, "2006/jan.csv")
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// [raw/log.bin] <nil>
	// true
}

func ExampleFS_CopyFS() {
	fsys, stop := openExample(nil)
	defer stop()

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
	fsys, stop := openExample(nil)
	defer stop()

	n, err := fsys.Upload("2006/mar.csv", strings.NewReader("104\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "bytes")
	// Output: 4 bytes
}

// The connection breaks twice on the way. The reader does not notice; a hook
// does.
func ExampleFS_resume() {
	fsys, stop := openExample(func(srv *ftptest.Server) {
		srv.Faults = []ftptest.Fault{
			{On: ftptest.Data, Conn: 1, After: 70_000, Kind: ftptest.Reset},
			{On: ftptest.Data, Conn: 2, After: 70_000, Kind: ftptest.Reset},
		}
	})
	defer stop()
	rests := 0
	ctx := ftpnat.WithTrace(context.Background(), &ftpnat.Trace{Command: func(line string) {
		if strings.HasPrefix(line, "REST ") {
			rests++
		}
	}})

	f, err := fsys.WithContext(ctx).Open("2006/raw/log.bin")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var all bytes.Buffer
	if _, err := all.ReadFrom(f); err != nil {
		log.Fatal(err)
	}
	fmt.Println(all.Len(), "bytes, resumed:", rests > 0)
	// Output: 200000 bytes, resumed: true
}

// The context governs every call on an FS, and the files opened with it.
func ExampleFS_WithContext() {
	fsys, stop := openExample(func(srv *ftptest.Server) { srv.Rate = 10_000 })
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := fsys.WithContext(ctx).ReadFile("2006/raw/log.bin")
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// Progress is told a few times a second, and at the end.
func ExampleTrace_progress() {
	fsys, stop := openExample(nil)
	defer stop()
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

// An error says which name and why. That something is missing was confirmed,
// as servers have one code for all that can be wrong.
func ExampleFS_errors() {
	fsys, stop := openExample(nil)
	defer stop()

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

// Backup keeps copies of a tree on an FTP server. Each run makes a folder that
// is named for its time and holds the whole tree; a file that has not changed
// since the run before is a hard link to that run's copy and takes no room.
//
// It shows what package ftpnat does for such a program: a walk that reads many
// directories in one round trip, and files that are resumed where a connection
// breaks, and complete at io.EOF or not at all. For a mirror: ftpnat mirror.
//
//	go run ./examples/backup
//	go run ./examples/backup ftp://user:password@ftp.example.com/dir backups
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt)
	err := errors.New("usage: backup ftp://user:password@host/dir folder")
	switch len(os.Args) {
	case 1:
		err = demo(ctx, os.Stdout)
	case 3:
		err = backup(ctx, os.Args[1], os.Args[2], time.Now(), os.Stdout)
	}
	if none := (*ftpnat.NegotiateError)(nil); errors.As(err, &none) {
		log.Println(strings.Join(none.Advice(), "\n"))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// demo makes two backups of a server of its own, which cuts a data connection.
func demo(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	day := time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)
	srv := ftptest.NewServer(fstest.MapFS{
		"orders/2025.csv": {Data: make([]byte, 300_000), ModTime: day.AddDate(-1, 0, 0)},
		"orders/2026.csv": {Data: make([]byte, 200_000), ModTime: day},
	}, ftptest.CutData(50_000).On(3))
	defer srv.Close()
	return errors.Join(
		backup(ctx, srv.URL, dir, day.AddDate(0, 0, 1), out),
		srv.WriteFile("orders/2026.csv", make([]byte, 210_000), day.AddDate(0, 0, 1)),
		backup(ctx, srv.URL, dir, day.AddDate(0, 0, 2), out),
	)
}

const (
	incomplete = "incomplete" // the folder of a run until it has all files; after a failure the next one goes on with it
	workers    = 4            // how many files are read at a time; also what Dialer.MaxConns is
)

// run is one backup.
type run struct {
	fsys   *ftpnat.FS
	root   *os.Root // nothing is written outside of it, whatever names the server has
	last   string   // the folder of the run before; empty if there is none
	log    *log.Logger
	failed atomic.Int32
}

// backup makes a backup of the tree at url in a folder of dir.
func backup(ctx context.Context, url, dir string, now time.Time, out io.Writer) error {
	if err := os.MkdirAll(filepath.Join(dir, incomplete), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	fsys, err := ftpnat.Open(ctx, url)
	if err != nil {
		return err
	}
	defer fsys.Close()
	runs, _ := fs.Glob(root.FS(), "20*") // sorted by time
	r := &run{fsys: fsys, root: root, last: append([]string{""}, runs...)[len(runs)], log: log.New(out, "", 0)}
	name := now.UTC().Format("2006-01-02T15.04.05")
	r.log.Print(name)
	switch err := r.walk(ctx); {
	case err != nil:
		return err
	case r.failed.Load() > 0:
		return fmt.Errorf("%s: %d names could not be read; the same command tries them again", name, r.failed.Load())
	}
	return root.Rename(incomplete, name)
}

// walk copies what has to be. Where one name fails others go on, unless the
// connection failed.
func (r *run) walk(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.fsys = r.fsys.WithContext(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, workers)
	return fs.WalkDir(r.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		local, lerr := filepath.Localize(name)
		switch {
		case err != nil && name == ".":
			return err
		case err != nil || lerr != nil:
			r.note(name, "", errors.Join(err, lerr))
		case d.IsDir():
			return r.root.MkdirAll(filepath.Join(incomplete, local), 0o700)
		case !d.Type().IsRegular():
			r.note(name, "left out", nil)
		default:
			free <- struct{}{}
			wg.Go(func() {
				defer func() { <-free }()
				what, err := r.file(name, local, d)
				r.note(name, what, err)
				if ftpnat.Retryable(err) {
					cancel() // it has been tried again already
				}
			})
		}
		return nil
	})
}

// note says what was done with a name.
func (r *run) note(name, what string, err error) {
	if err != nil {
		r.failed.Add(1)
		what = err.Error()
	}
	r.log.Printf("  %s: %s", name, what)
}

// file sees to one file, and says how.
func (r *run) file(name, local string, d fs.DirEntry) (what string, err error) {
	info, err := d.Info()
	if err != nil {
		return "", err
	}
	to, before := filepath.Join(incomplete, local), filepath.Join(r.last, local)
	switch {
	case r.same(to, info):
		return "copied before", nil
	case r.last == "" || !r.same(before, info):
		return "copied", r.copy(name, to, info)
	}
	_ = r.root.Remove(to) // a file of before
	return "unchanged", r.root.Link(before, to)
}

func (r *run) same(local string, info fs.FileInfo) bool {
	have, err := r.root.Stat(local)
	return err == nil && have.Size() == info.Size() && have.ModTime().Equal(info.ModTime())
}

// copy reads a file. The copy has its name when it is complete.
func (r *run) copy(name, to string, info fs.FileInfo) error {
	src, err := r.fsys.Open(name)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := r.root.Create(to + ".part")
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		return err
	}
	// A listing may tell the minute alone, in which the file may change again: the
	// copy of one so young keeps another time, and is made once more.
	if facts, ok := info.Sys().(*ftpnat.Facts); ok && time.Since(info.ModTime()) > 2*facts.Precision {
		_ = r.root.Chtimes(to+".part", info.ModTime(), info.ModTime())
	}
	return r.root.Rename(to+".part", to)
}

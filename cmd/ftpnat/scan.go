package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/ftpnat/ftpnat"
)

// entry is a file or directory of a tree that is to be copied.
type entry struct {
	name  string // from the tree's root
	dir   bool
	size  int64
	time  time.Time
	slack time.Duration // how far the time may be off
}

// tree is what was found on one side.
type tree struct {
	entries []entry // parents before what is in them
	failed  []error // what could not be looked into
	left    []string
}

// scanner collects a tree.
type scanner struct {
	ctx    context.Context
	filter filter
	root   string // in fsys
	fsys   fs.FS
	tree   tree
	facts  func(fs.FileInfo) (slack time.Duration)
}

func (sc *scanner) scan() (tree, error) {
	err := fs.WalkDir(sc.fsys, sc.root, sc.visit)
	return sc.tree, err
}

func (sc *scanner) visit(full string, d fs.DirEntry, err error) error {
	name := relative(sc.root, full)
	switch {
	case sc.ctx.Err() != nil:
		return sc.ctx.Err()
	case full == sc.root && (err == nil || wholeFault(err)):
		return err
	case err != nil && d != nil && d.IsDir():
		// One directory is no reason to leave out the others, nor what could
		// be read of it.
		if !networkFault(err) {
			if full == sc.root {
				name = "."
			}
			sc.tree.failed = append(sc.tree.failed, &fileError{name, err})
			return nil
		}
		return err
	case err != nil:
		return err
	case d.IsDir() && !sc.filter.dir(name):
		return fs.SkipDir
	case d.IsDir():
		sc.tree.entries = append(sc.tree.entries, entry{name: name, dir: true})
		return nil
	case !sc.filter.file(name):
		return nil
	}
	return sc.file(full, name, d)
}

// file records a file, or what a link to a file leads to. Other things cannot be
// copied and are named.
func (sc *scanner) file(full, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err == nil && d.Type()&fs.ModeSymlink != 0 {
		info, err = fs.Stat(sc.fsys, full)
		if err != nil && !networkFault(err) {
			sc.tree.left = append(sc.tree.left, name+" (a link that leads nowhere, or out of the tree)")
			return nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it has gone since
	case err != nil:
		return err
	case info.IsDir():
		sc.tree.left = append(sc.tree.left, name+" (a link to a directory)")
	case !info.Mode().IsRegular():
		sc.tree.left = append(sc.tree.left, name+" (neither a file nor a directory)")
	default:
		e := entry{name: name, size: info.Size(), time: info.ModTime()}
		if sc.facts != nil {
			e.slack = sc.facts(info)
		}
		sc.tree.entries = append(sc.tree.entries, e)
	}
	return nil
}

// networkFault reports whether an error is of the connection, and not of a file.
func networkFault(err error) bool {
	switch codeOf(err) {
	case codeConnect, codeTimeout, codeData, codeLogin, codeInterrupted, codeTLS, codeCertificate, codeHost:
		return true
	}
	return false
}

// wholeFault reports whether an error leaves nothing of a tree.
func wholeFault(err error) bool {
	c := codeOf(err)
	return networkFault(err) || c == codeAccess || c == codeNotFound
}

func scanLocal(ctx context.Context, root *os.Root, f filter) (tree, error) {
	sc := &scanner{ctx: ctx, filter: f, root: ".", fsys: root.FS()}
	t, err := sc.scan()
	return t, localRead(err)
}

// scanRemote returns an empty tree if there is no such directory.
func scanRemote(ctx context.Context, fsys *ftpnat.FS, root string, f filter) (tree, error) {
	sc := &scanner{ctx: ctx, filter: f, root: root, fsys: fsys, facts: slackOf}
	return sc.scan()
}

// slackOf is how exact the time of a file in a listing is.
func slackOf(info fs.FileInfo) time.Duration {
	if f, ok := info.Sys().(*ftpnat.Facts); ok {
		return f.Precision
	}
	return 0
}

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
)

// suite is what is tried on each server, in this order.
var suite = []struct {
	name string
	do   func(*bench)
}{
	{"list", (*bench).list},
	{"read", (*bench).read},
	{"walk", (*bench).walk},
	{"boxes", (*bench).boxes},
	{"fetch", (*bench).fetch},
	{"upload", (*bench).upload},
	{"append", (*bench).appendTo},
	{"rename", (*bench).rename},
	{"remove", (*bench).remove},
	{"times", (*bench).times},
	{"copy", (*bench).copy},
	{"names", (*bench).names},
	{"resume", (*bench).resume},
}

// list lists a folder, an empty one and one that is not there.
func (s *bench) list() {
	got, err := s.fs.ReadDir("tree")
	s.did("folder", err, s.sameEntries(got, err, "tree"))
	empty, err := s.fs.ReadDir("tree/void")
	s.did("empty", err, count(len(empty), 0, "entries"))
	none, err := s.fs.ReadDir("tree/nothing")
	s.must("missing", err, fs.ErrNotExist, count(len(none), 0, "entries"))
	none, err = s.fs.ReadDir("tree/a.txt")
	if err == nil {
		s.did("a file", nil, fmt.Sprintf("a file is a directory with %d entries", len(none)))
	}
}

func count(got, want int, what string) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("%d %s, want %d", got, what, want)
}

// sameEntries compares a listing with the server's disk.
func (s *bench) sameEntries(got []fs.DirEntry, err error, dir string) string {
	if err != nil {
		return ""
	}
	want, err := os.ReadDir(s.on(dir))
	if err != nil {
		return err.Error()
	}
	var diffs []string
	seen := make(map[string]fs.DirEntry)
	for _, e := range got {
		seen[e.Name()] = e
	}
	for _, e := range want {
		g := seen[e.Name()]
		delete(seen, e.Name())
		switch {
		case g == nil && !s.hidden(e.Name()):
			diffs = append(diffs, fmt.Sprintf("%q is missing", e.Name()))
		case g != nil && g.IsDir() != e.IsDir() && e.Type() != fs.ModeSymlink:
			diffs = append(diffs, fmt.Sprintf("%q is of type %v", e.Name(), g.Type()))
		case g != nil && e.Type().IsRegular():
			diffs = append(diffs, sameInfo(g, e))
		}
	}
	for name := range seen {
		diffs = append(diffs, fmt.Sprintf("%q is not there", name))
	}
	return joined(diffs)
}

func joined(diffs []string) string {
	diffs = slices.DeleteFunc(diffs, func(d string) bool { return d == "" })
	slices.Sort(diffs)
	return strings.Join(diffs, ", ")
}

// sameInfo compares what a listing tells of a file with what is so.
func sameInfo(got, want fs.DirEntry) string {
	g, err := got.Info()
	if err != nil {
		return ""
	}
	w, err := want.Info()
	if err != nil {
		return err.Error()
	}
	return infoDiffers(g, w)
}

func infoDiffers(g, w fs.FileInfo) string {
	var diffs []string
	if g.Size() != w.Size() && g.Size() != -1 {
		diffs = append(diffs, fmt.Sprintf("%q has a size of %d, want %d", w.Name(), g.Size(), w.Size()))
	}
	facts, _ := g.Sys().(*ftpnat.Facts)
	if facts == nil || facts.Precision == 0 || g.ModTime().IsZero() {
		return joined(diffs)
	}
	if off := w.ModTime().Sub(g.ModTime()); off < 0 || off >= max(facts.Precision, time.Second) {
		diffs = append(diffs, fmt.Sprintf("%q is of %v, want %v", w.Name(), g.ModTime(), w.ModTime()))
	}
	return joined(diffs)
}

// read reads files in each of the ways, and asks for what is not there.
func (s *bench) read() {
	for _, name := range []string{"a.txt", "big.bin", "empty", ".hidden", "song.mp3", "two words", "sub/deep/deeper/x.z"} {
		got, err := s.fs.ReadFile("tree/" + name)
		s.did(name, err, s.unless(err, differs(got, tree[name])))
	}
	s.open("tree/big.bin", tree["big.bin"])
	for _, name := range []string{"big.bin", "song.mp3", "sub/y.txt"} {
		info, err := s.fs.Stat("tree/" + name)
		diff := ""
		if err == nil {
			w, werr := os.Stat(s.on("tree/" + name))
			s.mustWork(werr)
			diff = infoDiffers(info, w)
		}
		s.did("stat "+name, err, diff)
	}
	_, err := s.fs.ReadFile("tree/nothing")
	s.must("missing", err, fs.ErrNotExist)
	_, err = s.fs.Open("tree/nothing")
	s.must("open missing", err, fs.ErrNotExist)
	_, err = s.fs.Stat("tree/nothing")
	s.must("stat missing", err, fs.ErrNotExist)
	target, err := s.fs.ReadLink("tree/link")
	if err == nil && target != links["link"] {
		s.did("link", nil, fmt.Sprintf("its target is %q", target))
	} else {
		s.did("link", err)
	}
}

// unless returns the difference where there was no error.
func (s *bench) unless(err error, diff string) string {
	if err != nil {
		return ""
	}
	return diff
}

// mustWork is for what has nothing to do with FTP.
func (s *bench) mustWork(err error) {
	if err != nil {
		s.did("the suite itself", nil, err.Error())
	}
}

// open reads a file through a File, and a part of it.
func (s *bench) open(name string, want []byte) {
	f, err := s.fs.Open(name)
	if !s.did("open", err) {
		return
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	s.did("read all", err, s.unless(err, differs(got, want)))
	part := make([]byte, 1000)
	_, err = f.(*ftpnat.File).ReadAt(part, 123_456)
	s.did("read at", err, s.unless(err, differs(part, want[123_456:124_456])))
}

// walk walks the tree.
func (s *bench) walk() {
	var got, want []string
	var errs []error
	err := fs.WalkDir(s.fs, "tree", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		got = append(got, name)
		return nil
	})
	s.mustWork(fs.WalkDir(os.DirFS(s.Root), "tree", func(name string, d fs.DirEntry, err error) error {
		want = append(want, name)
		return err
	}))
	err = errors.Join(append(errs, err)...)
	s.did("tree", err, s.unless(err, s.sameNames(got, want)))
	matches, err := s.fs.Glob("tree/*.mp3")
	s.did("glob", err, s.unless(err, s.sameNames(matches, []string{"tree/song.mp3"})))
}

// sameNames compares lists of names; those that the server hides may be
// missing.
func (s *bench) sameNames(got, want []string) string {
	var diffs []string
	for _, name := range want {
		if !slices.Contains(got, name) && !s.hidden(name) {
			diffs = append(diffs, fmt.Sprintf("%q is missing", name))
		}
	}
	for _, name := range got {
		// Some servers show a link as what it leads to.
		if strings.HasPrefix(name, "tree/dirlink/") && s.gone(name) != "" {
			continue
		}
		if !slices.Contains(want, name) {
			diffs = append(diffs, fmt.Sprintf("%q is not there", name))
		}
	}
	return joined(diffs)
}

// boxes reads what can be entered and not listed.
func (s *bench) boxes() {
	for _, mode := range boxes {
		dir := "box" + mode
		entries, err := s.fs.ReadDir(dir)
		if err == nil { // a server that is root may list it
			s.did("list "+mode, nil, count(len(entries), 1, "entries and no error"))
		} else {
			s.must("list "+mode, err, fs.ErrPermission)
		}
		got, err := s.fs.ReadFile(dir + "/known")
		s.did("read "+mode, err, s.unless(err, differs(got, known)))
		info, err := s.fs.Stat(dir + "/known")
		if err == nil {
			s.did("stat "+mode, nil, count(int(info.Size()), len(known), "bytes"))
		} else {
			s.did("stat "+mode, err)
		}
		f, err := s.fs.Open(dir + "/known")
		if s.did("open "+mode, err) {
			f.Close()
		}
		s.walkBox(dir)
	}
	err := s.fs.WriteFile("box0733/new", []byte("new"), 0o644)
	s.did("write 0733", err, s.unless(err, s.holds("box0733/new", []byte("new"))))
	_, err = s.fs.Upload("box0733/newer", strings.NewReader("newer"))
	s.did("upload 0733", err, s.unless(err, s.holds("box0733/newer", []byte("newer"))))
	entries, err := os.ReadDir(s.on("box0733"))
	s.mustWork(err)
	for _, e := range entries {
		if n := e.Name(); n != "known" && n != "new" && n != "newer" {
			s.did("left in 0733", nil, fmt.Sprintf("%q is left", n))
		}
	}
}

// walkBox sees that a walk and a fetch do not lose the folder in silence.
func (s *bench) walkBox(dir string) {
	names, errs := 0, 0
	fs.WalkDir(s.fs, dir, func(name string, d fs.DirEntry, err error) error {
		names++
		if err != nil {
			errs++
		}
		return nil
	})
	if names < 2 && errs == 0 {
		s.did("walk "+dir[3:], nil, "nothing in it and no error")
	} else {
		s.did("walk "+dir[3:], nil)
	}
	to := filepath.Join(s.Local, dir)
	err := s.fs.Fetch(to, dir)
	if err == nil {
		s.did("fetch "+dir[3:], nil, holds(filepath.Join(to, "known"), known))
	} else {
		s.must("fetch "+dir[3:], err, fs.ErrPermission)
	}
}

// fetch copies the tree to this machine.
func (s *bench) fetch() {
	to := filepath.Join(s.Local, "tree")
	err := s.fs.Fetch(to, "tree")
	var diffs []string
	for name, data := range tree {
		if !s.hidden(name) {
			diffs = append(diffs, nameIt(name, holds(filepath.Join(to, name), data)))
		}
	}
	if err == nil {
		for name, target := range links {
			got, lerr := os.Stat(filepath.Join(to, name))
			if lerr != nil || got.IsDir() != (target == "sub") {
				diffs = append(diffs, fmt.Sprintf("%q: %v", name, lerr))
			}
		}
	}
	s.did("tree", err, s.unless(err, joined(diffs)))
	to = filepath.Join(s.Local, "one")
	err = s.fs.Fetch(to, "tree/big.bin")
	s.did("one file", err, s.unless(err, holds(filepath.Join(to, "big.bin"), tree["big.bin"])))
}

func nameIt(name, diff string) string {
	if diff == "" {
		return ""
	}
	return fmt.Sprintf("%q: %s", name, diff)
}

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
)

// These checks change something on the server. Each has a folder of its own,
// and plant has made what they change.

// wrote writes down what became of a file.
func (s *bench) wrote(what, name string, err error, data []byte) {
	s.did(what, err, s.unless(err, s.holds(name, data)))
}

// before is what plant wrote into a file of this check.
func (s *bench) before(name string) []byte {
	return []byte("before " + s.check + "/" + name)
}

// upload writes files in each of the ways.
func (s *bench) upload() {
	small, large := client.Payload(10, 1000), client.Payload(11, 300_000)
	at := func(name string) string { return s.dir + "/" + name }
	s.wrote("write", at("small"), s.fs.WriteFile(at("small"), small, 0o644), small)
	s.wrote("write over", at("over"), s.fs.WriteFile(at("over"), small, 0o644), small)
	s.wrote("write empty", at("empty"), s.fs.WriteFile(at("empty"), nil, 0o644), nil)
	s.wrote("write large", at("large"), s.fs.WriteFile(at("large"), large, 0o644), large)
	s.wrote("write dot", at(".dot"), s.fs.WriteFile(at(".dot"), small, 0o644), small)
	s.wrote("create", at("create"), s.create(at("create"), large), large)
	_, err := s.fs.Upload(at("upload"), bytes.NewReader(large))
	s.wrote("upload", at("upload"), err, large)
	_, err = s.fs.Upload(at("uploadover"), bytes.NewReader(small))
	s.wrote("upload over", at("uploadover"), err, small)
	if err != nil {
		s.mustStay("upload over", "uploadover")
	}
	f, err := s.fs.OpenFile(at("excl"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		f.Close()
	}
	s.must("exclusive", err, fs.ErrExist, s.holds(at("excl"), s.before("excl")))
	err = s.fs.WriteFile(at("no/such"), small, 0o644)
	s.must("no folder", err, fs.ErrNotExist, s.gone(at("no")))
	err = s.fs.MkdirAll(at("made/b/c"), 0o755)
	s.did("folders", err, s.unless(err, isDir(s.on(at("made/b/c")))))
	err = s.fs.Mkdir(s.dir, 0o755)
	s.must("folder again", err, fs.ErrExist)
	s.only("small", "over", "empty", "large", ".dot", "create", "upload", "uploadover", "excl", "made")
}

func isDir(path string) string {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return fmt.Sprintf("no directory: %v", err)
	}
	return ""
}

// mustStay sees that an Upload that failed has left the old file.
func (s *bench) mustStay(what, name string) {
	if diff := s.holds(s.dir+"/"+name, s.before(name)); diff != "" {
		s.did(what+" stays", nil, diff)
	}
}

// create writes a file in pieces.
func (s *bench) create(name string, data []byte) error {
	f, err := s.fs.Create(name)
	if err != nil {
		return err
	}
	for len(data) > 0 && err == nil {
		n := min(len(data), 40_000)
		_, err = f.Write(data[:n])
		data = data[n:]
	}
	return errors.Join(err, f.Close())
}

// appendTo appends to a file that is there and to one that is not.
func (s *bench) appendTo() {
	for what, name := range map[string]string{"there": "there", "missing": "missing"} {
		name := s.dir + "/" + name
		old, _ := os.ReadFile(s.on(name))
		tail := client.Payload(12, 100_000)
		f, err := s.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err == nil {
			_, err = f.Write(tail)
			err = errors.Join(err, f.Close())
		}
		s.wrote(what, name, err, append(old, tail...))
	}
}

// rename renames files and a folder.
func (s *bench) rename() {
	at := func(name string) string { return s.dir + "/" + name }
	moved := func(what, from, to string, data []byte) {
		err := s.fs.Rename(at(from), at(to))
		if err == nil {
			s.did(what, nil, s.gone(at(from)), s.holds(at(to), data))
		} else {
			s.did(what, err)
		}
	}
	moved("file", "file", "new name", s.before("file"))
	moved("into a folder", "new name", "dir/inside", s.before("file"))
	err := s.fs.Rename(at("from"), at("onto"))
	switch {
	case err == nil:
		s.did("onto", nil, s.gone(at("from")), s.holds(at("onto"), s.before("from")))
	default:
		s.did("onto", err, s.holds(at("from"), s.before("from")), s.holds(at("onto"), s.before("onto")))
	}
	err = s.fs.Rename(at("dir"), at("folder"))
	s.did("folder", err, s.unless(err, s.holds(at("folder/x"), s.before("dir/x"))))
	s.must("missing", s.fs.Rename(at("nothing"), at("something")), fs.ErrNotExist)
}

// remove removes, and sees that a folder that is not empty stays.
func (s *bench) remove() {
	at := func(name string) string { return s.dir + "/" + name }
	err := s.fs.Remove(at("file"))
	s.did("file", err, s.unless(err, s.gone(at("file"))))
	err = s.fs.Remove(at("dir"))
	s.did("folder", err, s.unless(err, s.gone(at("dir"))))
	err = s.fs.Remove(at("full"))
	s.did("full folder", ifNil(err), s.holds(at("full/x"), s.before("full/x")))
	s.must("missing", s.fs.Remove(at("nothing")), fs.ErrNotExist)
	err = s.fs.RemoveAll(at("all"))
	s.did("all", err, s.unless(err, s.gone(at("all"))))
	s.did("all of nothing", s.fs.RemoveAll(at("nothing")))
}

// ifNil turns an error around: what must fail has failed.
func ifNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return nil
}

// times sets a time and asks for it.
func (s *bench) times() {
	name := s.dir + "/file"
	got, err := s.fs.ModTime(name)
	s.did("ask", err, s.unless(err, sameTime(got, longAgo)))
	then := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	err = s.fs.Chtimes(name, then, then)
	diff := ""
	if info, serr := os.Stat(s.on(name)); err == nil {
		s.mustWork(serr)
		diff = sameTime(info.ModTime(), then)
	}
	s.did("set", err, diff, s.holds(name, s.before("file")))
	err = s.fs.Chmod(name, 0o600)
	diff = ""
	if info, serr := os.Stat(s.on(name)); err == nil {
		s.mustWork(serr)
		diff = count(int(info.Mode().Perm()), 0o600, "is the mode")
	}
	s.did("mode", err, diff)
}

func sameTime(got, want time.Time) string {
	if got.Equal(want) {
		return ""
	}
	return fmt.Sprintf("it is of %v, want %v", got, want)
}

// copy copies a tree up, and again.
func (s *bench) copy() {
	from := filepath.Join(s.Local, "up")
	files := make(map[string][]byte)
	for i := range 24 {
		files[fmt.Sprintf("%d/%d/file %d.bin", i%3, i%2, i)] = client.Payload(uint64(20+i), 100*i)
	}
	for name, data := range files {
		path := filepath.Join(from, name)
		s.mustWork(errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)))
	}
	to := s.dir + "/to"
	err := s.fs.CopyFS(to, os.DirFS(from))
	var diffs []string
	for name, data := range files {
		diffs = append(diffs, nameIt(name, s.holds(to+"/"+name, data)))
	}
	s.did("tree", err, s.unless(err, joined(diffs)))
	if err == nil {
		s.must("again", s.fs.CopyFS(to, os.DirFS(from)), fs.ErrExist)
	}
}

// names writes files of odd names and reads them again, and reads those that
// are there.
func (s *bench) names() {
	entries, err := s.fs.ReadDir("odd")
	if s.did("list", err, s.sameEntries(entries, err, "odd")) {
		for _, name := range oddNames {
			got, err := s.fs.ReadFile("odd/" + name)
			s.did("read "+name, err, s.unless(err, differs(got, []byte(name))))
		}
	}
	for _, name := range oddNames {
		full := s.dir + "/" + name
		err := s.fs.WriteFile(full, []byte(name), 0o644)
		s.wrote("write "+name, full, err, []byte(name))
	}
	// What fails may leave a part under its own name, and nothing under another.
	s.only(oddNames...)
	for _, name := range oddNames {
		dir := "dir " + name + " dir"
		err := s.fs.Mkdir(s.dir+"/"+dir, 0o755)
		s.did("mkdir "+name, err, s.unless(err, isDir(s.on(s.dir+"/"+dir))))
	}
}

// cutAfter is where a transfer of the check resume breaks.
const cutAfter = 300_000

// resume breaks the data connections of transfers.
func (s *bench) resume() {
	huge := tree["huge.bin"]
	s.cut.once(cutAfter)
	got, err := s.fs.ReadFile("tree/huge.bin")
	s.broke("read", err, s.unless(err, differs(got, huge)))
	s.cut.once(cutAfter)
	to := filepath.Join(s.Local, "resumed")
	err = s.fs.Fetch(to, "tree/huge.bin")
	s.broke("fetch", err, s.unless(err, holds(filepath.Join(to, "huge.bin"), huge)))

	for what, name := range map[string]string{"upload": "upload", "upload over": "over"} {
		s.cut.once(cutAfter)
		name := s.dir + "/" + name
		_, err = s.fs.Upload(name, bytes.NewReader(huge))
		s.broke(what, err, s.unless(err, s.holds(name, huge)))
	}
	s.cut.once(cutAfter)
	name := s.dir + "/write"
	err = s.create(name, huge)
	s.broke("create", err, s.unless(err, s.holds(name, huge)))
	s.only("upload", "over", "write")
}

// broke writes down what became of a transfer that was broken.
func (s *bench) broke(what string, err error, diff string) {
	if cuts := s.cut.end(); cuts == 0 && err == nil && diff == "" {
		diff = "the suite itself: nothing was cut"
	}
	if err != nil && strings.Contains(err.Error(), errCut.Error()) {
		err = fmt.Errorf("not resumed: %w", err)
	}
	s.did(what, err, diff)
}

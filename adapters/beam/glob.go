package beam

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/ftpnat/ftpnat"
)

// temporary matches the hidden names under which ftpnat writes files that are not
// whole yet, or moves files out of the way.
var temporary = regexp.MustCompile(`^\..+\.[a-z2-7]{8}\.(part|old)$`)

// found is a file or directory that matches a pattern.
type found struct {
	name string
	info fs.FileInfo
}

// glob returns the files that match a pattern, with what their listings tell:
// looking up each would cost a round trip a file.
func glob(fsys *ftpnat.FS, pattern string) (files []found, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	if strings.Contains(pattern, "**") {
		files, err = walk(fsys, pattern)
	} else {
		files, err = match(fsys, pattern, false)
	}
	slices.SortFunc(files, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return files, err
}

// match returns the files, or the directories, that match a pattern without "**".
func match(fsys *ftpnat.FS, pattern string, dirs bool) (all []found, err error) {
	dir, last := path.Dir(pattern), path.Base(pattern)
	parents := []found{{name: dir}}
	if hasMeta(dir) {
		if parents, err = match(fsys, dir, true); err != nil {
			return nil, err
		}
	}
	for _, parent := range parents {
		if !hasMeta(last) {
			name := path.Join(parent.name, last)
			if all, err = add(all, name, dirs, func() (fs.FileInfo, error) { return fsys.Stat(name) }); err != nil {
				return nil, err
			}
			continue
		}
		entries, err := fsys.ReadDir(parent.name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if ok, _ := path.Match(last, e.Name()); !ok || temporary.MatchString(e.Name()) {
				continue
			}
			name := path.Join(parent.name, e.Name())
			if all, err = add(all, name, dirs, func() (fs.FileInfo, error) { return follow(fsys, name, e) }); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// walk returns the files that match a pattern with "**".
func walk(fsys *ftpnat.FS, pattern string) (all []found, err error) {
	base, _ := doublestar.SplitPattern(pattern)
	err = fs.WalkDir(fsys, base, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || temporary.MatchString(e.Name()) {
			return err
		}
		if ok, err := doublestar.Match(pattern, name); !ok {
			return err
		}
		all, err = add(all, name, false, func() (fs.FileInfo, error) { return follow(fsys, name, e) })
		return err
	})
	return all, err
}

// follow describes an entry, or what it leads to if it is a symbolic link.
func follow(fsys *ftpnat.FS, name string, e fs.DirEntry) (fs.FileInfo, error) {
	if e.Type()&fs.ModeSymlink != 0 {
		return fsys.Stat(name)
	}
	return e.Info()
}

// add adds a file, or a directory if dirs is set, and nothing if it is not there.
func add(all []found, name string, dirs bool, stat func() (fs.FileInfo, error)) ([]found, error) {
	info, err := stat()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil:
		return nil, err
	case dirs && info.IsDir(), !dirs && info.Mode().IsRegular():
		all = append(all, found{name, info})
	}
	return all, nil
}

func hasMeta(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

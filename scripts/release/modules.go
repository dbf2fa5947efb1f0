package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// unreleased are the folders of modules that serve the work on the project and
// are not released.
var unreleased = []string{"lab", "scripts"}

// A goModule is one module of the repository.
type goModule struct {
	path    string
	folder  string // in the repository, with slashes; empty for the root
	dir     string // on disk
	version string

	file  *modfile.File // go.mod of the release
	goMod []byte        // the same as text
	goSum []byte        // go.sum of the release; nil if there is none
	zip   []byte
}

// findModules returns the modules that the go.work files of the repository
// name, each after those that it requires.
func findModules(root string) ([]*goModule, error) {
	works, err := filepath.Glob(filepath.Join(root, "*", "go.work"))
	if err != nil {
		return nil, err
	}
	found := map[string]*goModule{}
	for _, name := range append(works, filepath.Join(root, "go.work")) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		work, err := modfile.ParseWork(name, text, nil)
		if err != nil {
			return nil, err
		}
		for _, use := range work.Use {
			m, err := readModule(root, filepath.Join(filepath.Dir(name), filepath.FromSlash(use.Path)))
			if err != nil {
				return nil, err
			}
			if first, _, _ := strings.Cut(m.folder, "/"); !slices.Contains(unreleased, first) {
				found[m.path] = m
			}
		}
	}
	return inOrder(found)
}

func readModule(root, dir string) (*goModule, error) {
	folder, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, err
	}
	m := &goModule{path: file.Module.Mod.Path, folder: strings.TrimPrefix(filepath.ToSlash(folder), "."), dir: dir, file: file}
	if m.goSum, err = os.ReadFile(filepath.Join(dir, "go.sum")); os.IsNotExist(err) {
		return m, nil
	}
	return m, err
}

// inOrder returns the modules, each after those that it requires.
func inOrder(all map[string]*goModule) (list []*goModule, err error) {
	state := map[*goModule]int{} // 1: its requirements are being visited, 2: done
	var visit func(m *goModule) error
	visit = func(m *goModule) error {
		switch state[m] {
		case 1:
			return fmt.Errorf("%s requires itself by way of others", m.path)
		case 2:
			return nil
		}
		state[m] = 1
		for _, r := range m.file.Require {
			if of, ok := all[r.Mod.Path]; ok {
				if err := visit(of); err != nil {
					return err
				}
			}
		}
		state[m] = 2
		list = append(list, m)
		return nil
	}
	var sorted []*goModule
	for _, m := range all {
		sorted = append(sorted, m)
	}
	slices.SortFunc(sorted, func(a, b *goModule) int { return cmp.Compare(a.path, b.path) })
	for _, m := range sorted {
		if err := visit(m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// prepare makes go.mod, go.sum and the zip file of each module's release.
func prepare(modules []*goModule, version string) error {
	released := map[string]*goModule{}
	for _, m := range modules {
		m.version = version
		if err := m.rewrite(released); err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		if err := m.pack(); err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		released[m.path] = m
	}
	return nil
}

// rewrite removes the replace directives that lead into the repository and
// requires the release of the modules that they stood for.
func (m *goModule) rewrite(released map[string]*goModule) error {
	for _, r := range slices.Clone(m.file.Replace) {
		if !modfile.IsDirectoryPath(r.New.Path) {
			return fmt.Errorf("%s is replaced by %s, which go install would refuse", r.Old.Path, r.New.Path)
		}
		if err := m.file.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	for _, r := range m.file.Require {
		of, ok := released[r.Mod.Path]
		if !ok {
			continue
		}
		if err := m.file.AddRequire(of.path, of.version); err != nil {
			return err
		}
		sums, err := of.sums()
		if err != nil {
			return err
		}
		m.goSum = append(m.goSum, sums...)
	}
	m.file.Cleanup()
	var err error
	m.goMod, err = m.file.Format()
	m.goSum = sortLines(m.goSum)
	return err
}

// sums returns the lines of go.sum for this module's release.
func (m *goModule) sums() (string, error) {
	open := func(text []byte) func(string) (io.ReadCloser, error) {
		return func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, open(m.goMod))
	if err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp("", "release-*.zip")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(m.zip); err != nil {
		return "", err
	}
	all, err := dirhash.HashZip(tmp.Name(), dirhash.Hash1)
	return fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", m.path, m.version, all, m.path, m.version, mod), err
}

func sortLines(text []byte) []byte {
	lines := slices.Sorted(strings.Lines(string(text)))
	return []byte(strings.Join(slices.Compact(lines), ""))
}

// pack makes the zip file: the files that git knows, and new ones that it does
// not ignore, with go.mod and go.sum as they are rewritten.
func (m *goModule) pack() error {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = m.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w: %s", err, &stderr)
	}
	own := map[string][]byte{"go.mod": m.goMod}
	if m.goSum != nil {
		own["go.sum"] = m.goSum
	}
	var files []zip.File
	for name := range strings.SplitSeq(strings.Trim(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(m.dir, filepath.FromSlash(name)))
		if os.IsNotExist(err) { // removed, and not committed
			continue
		}
		if err != nil {
			return err
		}
		if m.nested(name) {
			continue
		}
		f := packed{name: name, dir: m.dir, info: info, text: own[name]}
		delete(own, name)
		files = append(files, f)
	}
	if m.folder != "" { // as the go command does for a module in a folder
		if text, err := os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(strings.Repeat("../", strings.Count(m.folder, "/")+1)), "LICENSE")); err == nil {
			files = append(files, made{"LICENSE", text})
		}
	}
	for name, text := range own {
		files = append(files, made{name, text})
	}
	var b bytes.Buffer
	if err := zip.Create(&b, module.Version{Path: m.path, Version: m.version}, files); err != nil {
		return err
	}
	m.zip = b.Bytes()
	return nil
}

// nested reports whether a file belongs to a module in a folder of this one.
func (m *goModule) nested(name string) bool {
	for dir := filepath.Dir(filepath.FromSlash(name)); dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(m.dir, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

// writeBack writes go.mod and go.sum of the release into the tree.
func (m *goModule) writeBack() error {
	if err := os.WriteFile(filepath.Join(m.dir, "go.mod"), m.goMod, 0o644); err != nil || m.goSum == nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.dir, "go.sum"), m.goSum, 0o644)
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// packed is a file of a module as it is on disk, or with another text.
type packed struct {
	name, dir string
	info      os.FileInfo
	text      []byte // nil means that of the file
}

func (f packed) Path() string { return f.name }

func (f packed) Lstat() (os.FileInfo, error) {
	if f.text != nil {
		return made{f.name, f.text}.Lstat()
	}
	return f.info, nil
}

func (f packed) Open() (io.ReadCloser, error) {
	if f.text != nil {
		return made{f.name, f.text}.Open()
	}
	return os.Open(filepath.Join(f.dir, filepath.FromSlash(f.name)))
}

// made is a file that is not on disk.
type made struct {
	name string
	text []byte
}

func (f made) Path() string                 { return f.name }
func (f made) Lstat() (os.FileInfo, error)  { return madeInfo{f}, nil }
func (f made) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.text)), nil }

type madeInfo struct{ made }

func (i madeInfo) Name() string       { return filepath.Base(i.name) }
func (i madeInfo) Size() int64        { return int64(len(i.text)) }
func (i madeInfo) Mode() os.FileMode  { return 0o644 }
func (i madeInfo) ModTime() time.Time { return time.Time{} }
func (i madeInfo) IsDir() bool        { return false }
func (i madeInfo) Sys() any           { return nil }

// writeProxy writes the modules as the files that a module proxy serves: see
// https://go.dev/ref/mod#goproxy-protocol.
func writeProxy(out, root, version string, modules []*goModule) error {
	when, err := committed(root)
	if err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, when})
	if err != nil {
		return err
	}
	for _, m := range modules {
		escaped, err := module.EscapePath(m.path)
		if err != nil {
			return err
		}
		dir := filepath.Join(out, filepath.FromSlash(escaped), "@v")
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := addLine(filepath.Join(dir, "list"), version); err != nil {
			return err
		}
		for ext, text := range map[string][]byte{".info": info, ".mod": m.goMod, ".zip": m.zip} {
			if err := os.WriteFile(filepath.Join(dir, version+ext), text, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// addLine adds a version to the list of a module, once.
func addLine(name, version string) error {
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(name, sortLines(append(text, version+"\n"...)), 0o666)
}

// committed returns the time of the last commit, which is the time of a
// release.
func committed(root string) (time.Time, error) {
	cmd := exec.Command("git", "log", "-1", "--format=%cI")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("git log: %w", err)
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
	return t.UTC(), err
}

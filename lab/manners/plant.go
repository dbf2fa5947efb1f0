//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// room is what is left on a disk that is nearly full.
const room = 128 << 10

// long ago is when everything that is planted was changed last.
var longAgo = time.Date(2024, 3, 5, 6, 7, 8, 0, time.UTC)

// tree is what is there to be read, by name below the folder tree.
var tree = map[string][]byte{
	"a.txt":               []byte("0123456789"),
	"big.bin":             client.Payload(1, 300_000),
	"empty":               {},
	".hidden":             []byte("dot"),
	"song.mp3":            client.Payload(2, 5000),
	"two words":           []byte("two"),
	"sub/y.txt":           client.Payload(3, 1000),
	"sub/deep/deeper/x.z": client.Payload(4, 70_000),
	"huge.bin":            client.Payload(5, 1<<20),
}

// links are symbolic ones below tree.
var links = map[string]string{"link": "a.txt", "dirlink": "sub"}

// oddNames are names of which servers are known to take some for something
// else: options, patterns, home directories, times, columns.
var oddNames = []string{
	"plain", "two words", "st*r", "wh?t", "[brackets]", "{braces}", "-dash", "-la", ".hidden", "~tilde",
	"quote\"d", "'single'", "back\\slash", "ü", "日本", "a -> b", "20240101000000 stamp", "%s%n", "$HOME", "#",
	"semi;colon", " leading", "trailing ", "a=b,c", "!bang", "two  blanks", "&", "pipe|", "type=dir; x", "a+b", "tab\tbed", "12:30 x",
}

// boxes are folders of somebody else, by mode: they can be entered, not listed,
// and one can be written to.
var boxes = []string{"0311", "0711", "0733"}

// known is a file in each of them.
var known = []byte("known")

// plant makes what the suite finds.
func plant(root string, fill bool) error {
	p := planter{root: root}
	for name, data := range tree {
		p.file("tree/"+name, data)
	}
	p.dir("tree/void")
	for name, target := range links {
		p.err(os.Symlink(target, filepath.Join(root, "tree", name)))
	}
	for _, name := range oddNames {
		p.file("odd/"+name, []byte(name))
	}
	for _, c := range suite {
		p.dir("work/" + c.name)
	}
	p.before()
	for _, mode := range boxes {
		p.file("box"+mode+"/known", known)
		var bits uint32
		fmt.Sscanf(mode, "%o", &bits)
		box := filepath.Join(root, "box"+mode)
		p.err(os.Chown(box, 0, 0), os.Chmod(box, os.FileMode(bits)))
	}
	if fill {
		p.err(fillDisk(root))
	}
	return errors.Join(p.errs...)
}

// before makes files for the checks that change some.
func (p *planter) before() {
	for _, name := range []string{"upload/over", "upload/uploadover", "upload/excl", "append/there", "rename/file", "rename/from", "rename/onto", "rename/dir/x",
		"remove/file", "remove/full/x", "remove/all/x", "remove/all/sub/.y", "times/file", "resume/over"} {
		p.file("work/"+name, []byte("before "+name))
	}
	p.dir("work/remove/dir")
}

type planter struct {
	root string
	errs []error
}

func (p *planter) err(errs ...error) { p.errs = append(p.errs, errs...) }

func (p *planter) dir(name string) {
	if name == "." {
		return
	}
	p.dir(filepath.Dir(name))
	path := filepath.Join(p.root, name)
	err := os.Mkdir(path, 0o755)
	if err == nil {
		err = errors.Join(os.Chmod(path, 0o755), servers.Give(path))
	}
	if !errors.Is(err, os.ErrExist) {
		p.err(err)
	}
}

func (p *planter) file(name string, data []byte) {
	p.dir(filepath.Dir(name))
	path := filepath.Join(p.root, name)
	p.err(os.WriteFile(path, data, 0o644), os.Chmod(path, 0o644), servers.Give(path), os.Chtimes(path, longAgo, longAgo))
}

// fillDisk writes a file that leaves room.
func fillDisk(root string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(root, &s); err != nil {
		return err
	}
	size := int64(s.Bavail)*s.Bsize - room
	if size <= 0 {
		return fmt.Errorf("the disk of %d bytes is full already", s.Blocks*uint64(s.Bsize))
	}
	return os.WriteFile(filepath.Join(root, "filler"), make([]byte, size), 0o600)
}

// on returns what is on the server's disk under a name.
func (s *bench) on(name string) string { return filepath.Join(s.Root, name) }

// holds returns a difference where a file on the server's disk is not what it
// should be.
func (s *bench) holds(name string, want []byte) string { return holds(s.on(name), want) }

func holds(path string, want []byte) string {
	got, err := os.ReadFile(path)
	switch {
	case err != nil:
		return err.Error()
	case !bytes.Equal(got, want):
		return "it has " + differs(got, want)
	}
	return ""
}

// differs says how bytes are not what they should be, or is empty.
func differs(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d of %d bytes, other ones from %d on", len(got), len(want), i)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d of %d bytes", len(got), len(want))
	}
	return ""
}

// gone returns a difference where something is on the server's disk still.
func (s *bench) gone(name string) string {
	if _, err := os.Lstat(s.on(name)); err == nil {
		return name + " is there"
	}
	return ""
}

// only writes down what is in the check's folder and should not.
func (s *bench) only(names ...string) {
	entries, err := os.ReadDir(s.on(s.dir))
	if err != nil {
		s.did("left behind", err)
		return
	}
	var strangers []string
	for _, e := range entries {
		if !slices.Contains(names, e.Name()) {
			strangers = append(strangers, fmt.Sprintf("%q is left", e.Name()))
		}
	}
	s.did("left behind", nil, strangers...)
}

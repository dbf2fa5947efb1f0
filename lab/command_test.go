//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// terminal is somebody who types commands on the client's host.
type terminal struct {
	*laboratory
	program string
	dir     string // the working directory
	home    string
	url     string
}

// TestCommand types what a person would type, at each server.
func TestCommand(t *testing.T) {
	needLab(t)
	program := filepath.Join(t.TempDir(), "ftpnat")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/ftpnat/ftpnat/cmd/ftpnat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := newTerminal(t, kind, program)
			c.look()
			c.copyFiles()
			c.mirror()
			c.change()
			c.fail()
			c.doctor()
			c.interrupted()
		})
	}
}

func newTerminal(t *testing.T, kind servers.Kind, program string) *terminal {
	t.Helper()
	c := &terminal{laboratory: build(t, direct, kind), program: program, dir: t.TempDir(), home: t.TempDir()}
	host := c.net.ServerPublic().String()
	c.url = "ftp://" + host + "/"
	c.save(filepath.Join(c.home, ".netrc"), fmt.Appendf(nil, "machine %s login %s password %s\n", host, c.server.User, c.server.Password))
	for name, data := range commandTree {
		c.save(filepath.Join(c.server.Root, "pub", name), data)
	}
	c.give("pub")
	return c
}

// commandTree is what the server has below pub.
var commandTree = map[string][]byte{
	"a.csv":          []byte("1,2,3\n"),
	"sub/b.txt":      []byte("bee"),
	"sub/c d.txt":    []byte("sea"),
	"sub/deep/é.bin": client.Payload(7, 300_000),
	"sub/.hidden":    []byte("dot"),
	"empty":          {},
}

func (c *terminal) save(name string, data []byte) {
	c.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o600)); err != nil {
		c.t.Fatal(err)
	}
}

// give gives a tree of the server's disk to its account.
func (c *terminal) give(name string) {
	c.t.Helper()
	err := filepath.WalkDir(filepath.Join(c.server.Root, name), func(path string, d fs.DirEntry, err error) error {
		return errors.Join(err, servers.Give(path))
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// command returns what runs the program with arguments.
func (c *terminal) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := c.net.Client.Command(ctx, c.program, args...)
	cmd.Dir = c.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "XDG_") }), "HOME="+c.home)
	return cmd
}

// typed runs the command and returns what it printed. Its exit code has to be the one
// given.
func (c *terminal) typed(code int, args ...string) (stdout, stderr string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), jobTimeout)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		c.t.Errorf("ftpnat %q: %v after %v, want the exit code %d\n%s%s", args, err, time.Since(start), code, out.Bytes(), errs.Bytes())
	}
	if strings.Contains(out.String()+errs.String(), c.server.Password) {
		c.t.Errorf("ftpnat %q prints the password:\n%s%s", args, out.Bytes(), errs.Bytes())
	}
	return out.String(), errs.String()
}

// says compares what was printed, line by line in any order.
func (c *terminal) says(want []string, args ...string) {
	c.t.Helper()
	out, _ := c.typed(0, args...)
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		c.t.Errorf("ftpnat %q printed %q, want %q", args, got, want)
	}
}

// has compares a folder of either disk with what should be there.
func (c *terminal) has(dir string, want map[string][]byte) {
	c.t.Helper()
	got := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		got[name], err = os.ReadFile(path)
		return err
	})
	if err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
		c.t.Errorf("%s has %q, want %q: %v", dir, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), err)
	}
}

func (c *terminal) onServer(name string) string { return filepath.Join(c.server.Root, name) }
func (c *terminal) here(name string) string     { return filepath.Join(c.dir, name) }

// look lists, finds and prints.
func (c *terminal) look() {
	c.says([]string{"a.csv", "empty", "sub/"}, "ls", c.url+"pub")
	out, _ := c.typed(0, "ls", "-R", "--json", c.url+"pub")
	sizes := make(map[string]int64)
	for line := range strings.Lines(out) {
		var item struct {
			Path, Type string
			Size       int64
		}
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			c.t.Errorf("%q: %v", line, err)
		}
		if item.Type == "file" {
			sizes[item.Path] = item.Size
		}
	}
	for name, data := range commandTree {
		if size, ok := sizes[name]; !ok || size != int64(len(data)) {
			c.t.Errorf("ls -R --json has %v, want %s of %d bytes", sizes, name, len(data))
		}
	}
	c.says([]string{"sub/b.txt", "sub/c d.txt"}, "find", "--name", "*.txt", c.url+"pub")
	c.says([]string{"1,2,3"}, "cat", c.url+"pub/a.csv")
	if out, _ := c.typed(0, "stat", c.url+"pub/sub/b.txt"); !strings.Contains(out, "3") || !strings.Contains(out, "file") {
		c.t.Errorf("stat printed %q", out)
	}
}

// copyFiles copies single files and trees.
func (c *terminal) copyFiles() {
	c.typed(0, "get", c.url+"pub/sub/deep/é.bin", "one.bin")
	if got, err := os.ReadFile(c.here("one.bin")); err != nil || !bytes.Equal(got, commandTree["sub/deep/é.bin"]) {
		c.t.Errorf("one.bin has %d bytes, %v", len(got), err)
	}
	c.typed(0, "get", c.url+"pub", "down")
	c.has(c.here("down"), commandTree)
	c.typed(0, "put", "one.bin", c.url+"pub/two.bin")
	c.typed(0, "put", "down", c.url+"put")
	c.has(c.onServer("put"), commandTree)
	if got, err := os.ReadFile(c.onServer("pub/two.bin")); err != nil || !bytes.Equal(got, commandTree["sub/deep/é.bin"]) {
		c.t.Errorf("two.bin has %d bytes, %v", len(got), err)
	}
	c.typed(0, "rm", c.url+"pub/two.bin")
	c.has(c.onServer("pub"), commandTree)
}

// mirror mirrors both ways, and again after something has changed.
func (c *terminal) mirror() {
	c.typed(0, "mirror", c.url+"pub", "./mirror")
	c.has(c.here("mirror"), commandTree)
	_, errs := c.typed(0, "mirror", c.url+"pub", "./mirror")
	if !strings.Contains(errs, "0 files copied") {
		c.t.Errorf("the second mirror said %q", errs)
	}
	c.save(c.here("mirror/new"), []byte("new"))
	if err := os.Remove(c.here("mirror/empty")); err != nil {
		c.t.Error(err)
	}
	want := maps.Clone(commandTree)
	want["new"] = []byte("new")
	delete(want, "empty")
	c.typed(0, "mirror", "--delete", "--dry-run", "./mirror", c.url+"pub")
	c.has(c.onServer("pub"), commandTree)
	c.typed(0, "mirror", "--delete", "./mirror", c.url+"pub")
	c.has(c.onServer("pub"), want)
	c.typed(0, "mirror", "--delete", "--verify", "hash", c.url+"pub", "./down")
	c.has(c.here("down"), want)
}

// change makes, moves and removes.
func (c *terminal) change() {
	c.typed(0, "mkdir", "-p", c.url+"made/a/b")
	c.typed(0, "mv", c.url+"put/a.csv", c.url+"made/a/b/moved.csv")
	c.has(c.onServer("made"), map[string][]byte{"a/b/moved.csv": commandTree["a.csv"]})
	c.typed(0, "rm", "-r", c.url+"put")
	c.typed(0, "rm", "-r", c.url+"made")
	for _, name := range []string{"put", "made"} {
		if _, err := os.Stat(c.onServer(name)); !errors.Is(err, fs.ErrNotExist) {
			c.t.Errorf("%s after rm -r: %v", name, err)
		}
	}
}

// Exit codes: see "ftpnat help exit-codes".
const (
	exitUsage    = 2
	exitConnect  = 7
	exitAccess   = 9
	exitLogin    = 67
	exitNotFound = 78
)

// fail types what cannot go well.
func (c *terminal) fail() {
	c.typed(exitUsage, "ls", "--no-such-flag", c.url)
	c.typed(exitNotFound, "get", c.url+"pub/nothing")
	c.typed(exitNotFound, "cat", c.url+"nowhere/at all")
	c.typed(exitNotFound, "stat", c.url+"pub/nothing")
	c.typed(exitConnect, "ls", "--retry-for", "0", strings.TrimSuffix(c.url, "/")+":2/")
	wrong := filepath.Join(c.home, "wrong")
	c.save(wrong, []byte("not it\n"))
	c.typed(exitLogin, "ls", "--user", c.server.User, "--password-file", wrong, c.url)
	closed := c.onServer("closed")
	c.save(filepath.Join(closed, "x"), []byte("x"))
	if err := errors.Join(os.Chmod(closed, 0o700), os.Chmod(filepath.Join(closed, "x"), 0o600)); err != nil {
		c.t.Error(err)
	}
	c.typed(exitAccess, "cat", c.url+"closed/x")
}

// doctor probes.
func (c *terminal) doctor() {
	page := c.here("probe.html")
	out, _ := c.typed(0, "probe", "--json", "--html", page, c.url)
	var report struct{ Attempts []json.RawMessage }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		c.t.Errorf("probe --json: %v\n%s", err, out)
	}
	html, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(html, []byte("EPSV")) || bytes.Contains(html, []byte(c.server.Password)) {
		c.t.Errorf("the page of probe has %d bytes, %v; with the password: %v", len(html), err, bytes.Contains(html, []byte(c.server.Password)))
	}
}

// interrupted puts a file, is stopped in the middle, and puts it again.
func (c *terminal) interrupted() {
	c.t.Helper()
	data := client.Payload(7, 9_000_000)
	c.save(c.here("big"), data)
	ctx, cancel := context.WithTimeout(c.t.Context(), jobTimeout)
	defer cancel()
	go func() {
		// The server's folder is looked into until some of the file is there.
		for ctx.Err() == nil {
			names, _ := filepath.Glob(c.onServer(".big*"))
			for _, name := range names {
				if info, err := os.Stat(name); err == nil && info.Size() > 0 {
					cancel()
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	cmd := c.command(ctx, "put", "big", c.url)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err == nil {
		c.t.Logf("the file was there before it could be stopped: %s", out)
	} else if _, err := os.Stat(c.onServer("big")); err == nil {
		c.t.Errorf("half a file has its name: %s", out)
	}
	c.typed(0, "put", "big", c.url)
	if got, err := os.ReadFile(c.onServer("big")); err != nil || !bytes.Equal(got, data) {
		c.t.Errorf("the server has %d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(c.onServer(".big*")); len(left) > 0 {
		c.t.Errorf("left over: %q", left)
	}
}

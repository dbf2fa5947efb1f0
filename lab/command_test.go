//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// terminal is where a person on the client's host types ftpnat.
type terminal struct {
	*laboratory
	program, dir string
}

// typed runs the command and returns what it wrote; if it fails, with its
// messages.
func (x *terminal) typed(ctx context.Context, args ...string) (string, error) {
	x.t.Helper()
	cmd := x.net.Client.Command(ctx, x.program, args...)
	cmd.Dir = x.dir
	cmd.Env = append(os.Environ(), "HOME="+x.dir, "XDG_CACHE_HOME="+x.dir, "FTPNAT_PASSWORD="+x.server.Password)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		out = append(out, exit.Stderr...)
	}
	return string(out), err
}

// ok is typed for what has to succeed.
func (x *terminal) ok(args ...string) string {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), jobTimeout)
	defer cancel()
	out, err := x.typed(ctx, args...)
	if err != nil {
		x.t.Fatalf("ftpnat %q: %v\n%s", args, err, out)
	}
	return out
}

// buildCommand builds cmd/ftpnat and returns its name.
func buildCommand(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ftpnat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", name, "../cmd/ftpnat").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// TestCommand types the command against each server.
func TestCommand(t *testing.T) {
	needLab(t)
	program := buildCommand(t)
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			x := &terminal{build(t, direct, kind), program, t.TempDir()}
			url := strings.Replace(x.place.URL(), ":"+x.server.Password+"@", "@", 1)
			data := client.Payload(7, 9_000_000)
			plant(t, x.dir, map[string][]byte{"site/a.txt": []byte("one"), "site/sub/b b.txt": []byte("two"), "big": data})

			x.ok("mirror", "./site", url+"up")
			x.ok("mirror", url+"up", "./down")
			if out, err := exec.CommandContext(t.Context(), "diff", "-r", filepath.Join(x.dir, "site"), filepath.Join(x.dir, "down")).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if out := x.ok("mirror", "--delete", "--dry-run", "./site", url+"up"); out != "" {
				t.Errorf("a tree that was copied is to be copied again: %s", out)
			}
			if out := x.ok("cat", url+"up/sub/b b.txt"); out != "two" {
				t.Errorf("cat wrote %q", out)
			}
			if out := x.ok("find", url, "--name", "*.txt"); out != "up/a.txt\nup/sub/b b.txt\n" {
				t.Errorf("find wrote %q", out)
			}
			x.ok("mkdir", "-p", url+"x/y")
			x.ok("mv", url+"up/a.txt", "/x/y/")
			if out := x.ok("ls", "-R", url+"x"); out != "y/\ny/a.txt\n" {
				t.Errorf("ls wrote %q", out)
			}
			x.ok("rm", "-r", url+"x", url+"up")
			if out := x.ok("probe", url); !strings.Contains(out, "EPSV works") {
				t.Errorf("probe wrote %s", out)
			}
			x.interrupted(url, data)
		})
	}
}

// interrupted puts a file, is stopped in the middle, and puts it again.
func (x *terminal) interrupted(url string, data []byte) {
	x.t.Helper()
	ctx, cancel := context.WithCancel(x.t.Context())
	defer cancel()
	go func() {
		// The server's folder is looked into until some of the file is there.
		for ctx.Err() == nil {
			names, _ := filepath.Glob(filepath.Join(x.server.Root, ".big*"))
			for _, name := range names {
				if info, err := os.Stat(name); err == nil && info.Size() > 0 {
					cancel()
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if out, err := x.typed(ctx, "put", "big", url); err == nil {
		x.t.Logf("the file was there before it could be stopped: %s", out)
	} else if info, err := os.Stat(filepath.Join(x.server.Root, "big")); err == nil && info.Size() != int64(len(data)) {
		x.t.Errorf("half a file has its name: %s", out)
	}
	x.ok("put", "big", url)
	got, err := os.ReadFile(filepath.Join(x.server.Root, "big"))
	if err != nil || !bytes.Equal(got, data) {
		x.t.Errorf("the server has %d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(filepath.Join(x.server.Root, ".big*")); len(left) > 0 {
		x.t.Errorf("left over: %q", left)
	}
}

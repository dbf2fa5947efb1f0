//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpdaemon"
)

// makeFiles makes a tree of small files in dir/small, and a big one in dir/big.
func makeFiles(dir string, n int, size int64) error {
	random := rand.NewChaCha8([32]byte{})
	small := filepath.Join(dir, "small")
	for i := range n {
		name := filepath.Join(small, fmt.Sprintf("dir%03d", i/100), fmt.Sprintf("file%05d.dat", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		data := make([]byte, 1<<10+random.Uint64()%(15<<10))
		random.Read(data)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "big"), 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "big/file"))
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, random, size)
	return errors.Join(err, f.Close())
}

// fill puts the small files onto the server.
func (m *machine) fill() error {
	to := filepath.Join(m.server.Root, "small")
	if err := os.CopyFS(to, os.DirFS(filepath.Join(m.tree, "small"))); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(name, ftpdaemon.Account, ftpdaemon.Account))
	})
}

// same compares two trees.
func same(a, b string) func(context.Context) error {
	one := func(a, b string) error {
		n := 0
		err := filepath.WalkDir(a, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			n++
			rel, err := filepath.Rel(a, name)
			if err != nil {
				return err
			}
			return equal(name, filepath.Join(b, rel))
		})
		if err == nil && n == 0 {
			err = errors.New("nothing there")
		}
		return err
	}
	return func(context.Context) error { return errors.Join(one(a, b), one(b, a)) }
}

func equal(a, b string) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(f, p)
		k, other := io.ReadFull(g, q)
		if !bytes.Equal(p[:n], q[:k]) {
			return fmt.Errorf("%s and %s differ", a, b)
		}
		if err != nil || other != nil {
			return nil
		}
	}
}

// small takes the steps with small files.
func (m *machine) small(ctx context.Context) {
	small, down, up := filepath.Join(m.tree, "small"), filepath.Join(m.dir, "down"), filepath.Join(m.server.Root, "up")
	os.RemoveAll(down)
	os.RemoveAll(up)
	m.step(ctx, "sync down", m.rclone("sync", "r:small", down), same(small, down))
	m.step(ctx, "sync up", m.rclone("sync", small, "r:up"), same(small, up))
	m.step(ctx, "sync, nothing to do", m.rclone("sync", small, "r:up"), same(small, up))
	m.step(ctx, "check", m.rclone("check", small, "r:up"), nil)
	m.step(ctx, "purge", m.rclone("purge", "r:up"), func(context.Context) error {
		if _, err := os.Stat(up); !errors.Is(err, fs.ErrNotExist) {
			return errors.New("it is still there")
		}
		return nil
	})
}

// big takes the steps with the big file.
func (m *machine) big(ctx context.Context) {
	from, down, up := filepath.Join(m.tree, "big"), filepath.Join(m.dir, "big"), filepath.Join(m.server.Root, "big")
	m.step(ctx, "the big file up", m.rclone("copy", from, "r:big"), same(from, up))
	// The next step has a file also if this one has failed.
	os.RemoveAll(up)
	if err := errors.Join(os.MkdirAll(up, 0o755), os.Link(filepath.Join(from, "file"), filepath.Join(up, "file"))); err != nil {
		m.skip("the big file down", err.Error())
		return
	}
	m.step(ctx, "the big file down", m.rclone("copy", "r:big", down), same(from, down))
	os.RemoveAll(down)
	os.RemoveAll(up)
}

// mostMounted is how many files are read through a mount.
const mostMounted = 500

// mount reads files through a mount.
func (m *machine) mount(ctx context.Context) {
	name := fmt.Sprintf("%d files through a mount", min(mostMounted, *files))
	if _, err := exec.LookPath("fusermount3"); err != nil {
		m.skip(name, "there is no fusermount3")
		return
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		m.skip(name, "there is no /dev/fuse")
		return
	}
	dir := filepath.Join(m.dir, "mount")
	if err := os.Mkdir(dir, 0o755); err != nil {
		m.skip(name, err.Error())
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- m.command(ctx, m.program, "mount", "r:small", dir, "--cache-dir", filepath.Join(m.dir, "vfs"))()
	}()
	defer func() {
		exec.Command("fusermount3", "-u", "-z", dir).Run()
		cancel()
		<-ended
	}()
	for deadline := time.Now().Add(20 * time.Second); !mounted(dir); {
		select {
		case err := <-ended:
			ended <- err
			m.skip(name, fmt.Sprintf("no mount here (%.80v)", err))
			return
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.skip(name, "the mount does not appear")
			return
		}
	}
	m.step(ctx, name, func(ctx context.Context) error { return m.readMounted(ctx, dir) }, nil)
}

// mounted reports whether another file system begins at a directory.
func mounted(dir string) bool {
	var here, above syscall.Stat_t
	return syscall.Stat(dir, &here) == nil && syscall.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// readMounted compares files in a mount with what they should be. It is ended by the
// unmount if it hangs.
func (m *machine) readMounted(ctx context.Context, dir string) error {
	done := make(chan error, 1)
	go func() {
		n := 0
		done <- filepath.WalkDir(filepath.Join(m.tree, "small"), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if n++; n > mostMounted {
				return filepath.SkipAll
			}
			rel, err := filepath.Rel(filepath.Join(m.tree, "small"), name)
			return errors.Join(err, equal(name, filepath.Join(dir, rel)))
		})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// restic takes restic's steps, through rclone serve restic.
func (m *machine) restic(ctx context.Context) {
	steps := []struct {
		name string
		args []string
	}{
		{"restic init", []string{"init"}},
		{"restic backup", []string{"backup", "."}},
		{"restic check --read-data", []string{"check", "--read-data"}},
		{"restic snapshots", []string{"snapshots"}},
		{"restic restore", []string{"restore", "latest", "--target", filepath.Join(m.dir, "restored")}},
		{"restic prune", []string{"prune"}},
	}
	program, err := exec.LookPath("restic")
	l, lerr := net.Listen("tcp", "127.0.0.1:0")
	if err = errors.Join(err, lerr); err != nil {
		for _, s := range steps {
			m.skip(s.name, "there is no restic")
		}
		return
	}
	addr := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- m.command(ctx, m.program, "serve", "restic", "r:restic", "--addr", addr)() }()
	defer func() {
		cancel()
		<-ended
	}()
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond) // another program's start cannot be waited for otherwise
	}
	data := filepath.Join(m.dir, "data")
	if err := m.resticData(data); err != nil {
		m.skip("restic", err.Error())
		return
	}
	for _, s := range steps {
		var check func(context.Context) error
		if s.args[0] == "restore" {
			check = same(data, filepath.Join(m.dir, "restored"))
		}
		m.step(ctx, s.name, m.inFolder(data, program, append([]string{"-r", "rest:http://" + addr + "/"}, s.args...)), check)
	}
}

// inFolder returns a step that is a command in a folder.
func (m *machine) inFolder(dir, program string, args []string) func(context.Context) error {
	return func(ctx context.Context) error {
		shell := append([]string{"-c", `cd "$1" && shift && exec "$@"`, "sh", dir, program}, args...)
		return m.command(ctx, "sh", shell...)()
	}
}

// resticData makes what is backed up: the small files, and a part of the big one.
func (m *machine) resticData(dir string) error {
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(m.tree, "small"))); err != nil {
		return err
	}
	from, err := os.Open(filepath.Join(m.tree, "big/file"))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.LimitReader(from, 128<<20))
	return errors.Join(err, to.Close())
}

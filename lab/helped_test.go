//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// TestHelped has two kernels read what the client and the server say, which is
// sent in as few goes as may be: neither overlooks an address.
func TestHelped(t *testing.T) {
	needLab(t)
	for _, server := range servers.Kinds() {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			l := build(t, paths.BothHelped, server)
			files := make(map[string][]byte)
			for _, name := range helpedFiles() {
				files[name] = []byte(name)
			}
			plant(t, l.server.Root, files)
			for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT, ftpnat.EPRT} {
				l.runFS(fsJob{Do: "sessions", Names: []string{mode.String()}})
			}
		})
	}
}

// helpedFiles are there to be read; each holds its name.
func helpedFiles() (names []string) {
	for _, dir := range []string{"a", "b", "b/c"} {
		for i := range 5 {
			names = append(names, fmt.Sprintf("%s/%d", dir, i))
		}
	}
	return names
}

// sessions opens one FS after the other in the mode that is named, walks over all
// there is, reads it and writes some more. What was sent ahead to no good is an
// error.
func (job fsJob) sessions(_ *ftpnat.FS, r *fsResult) {
	d := &ftpnat.Dialer{MaxConns: 1}
	for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT, ftpnat.EPRT} {
		if mode.String() == job.Names[0] {
			d.Modes = []ftpnat.Mode{mode}
		}
	}
	ctx := ftpnat.WithTrace(context.Background(), r.trace())
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Attempt: func(a ftpnat.Attempt) { r.fail("attempt", a.Err) },
		Lost:    func(err error) { r.fail("lost", err) },
		Note: func(text string) {
			if strings.Contains(text, "did not answer at once") {
				r.fail("ahead", errors.New(text))
			}
		},
	})
	for range 3 {
		fsys, err := d.Open(ctx, job.URL)
		if err != nil {
			r.fail("a session", err)
			return
		}
		fsys = fsys.WithContext(ctx)
		names := 0
		r.fail("walk", fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.Contains(name, "/") {
				return err
			}
			names++
			got, err := fsys.ReadFile(name)
			if err == nil && string(got) != name {
				err = fmt.Errorf("read %q", got)
			}
			return err
		}))
		if want := len(helpedFiles()); names != want {
			r.fail("names", fmt.Errorf("the walk met %d files of %d", names, want))
		}
		for _, name := range []string{"up1", "up2"} {
			r.fail(name, fsys.WriteFile(name, []byte(name), 0o644))
		}
		r.fail("close", fsys.Close())
	}
}

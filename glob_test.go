package ftpnat_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestGlobErrors has listings and questions fail under a pattern: the names that
// are lost with them are not lost in silence, and others are found.
func TestGlobErrors(t *testing.T) {
	denied := func(verb, arg string) []ftptest.Step {
		return []ftptest.Step{{On: verb, Arg: arg, Reply: "550 Permission denied."}, {On: "CWD", Arg: arg, Reply: "550 Permission denied."}}
	}
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			server := setup{ftp: func(s *ftptest.Server) {
				s.Personality = p
				for _, name := range []string{"top", "a/x", "b/x", "c/y"} {
					_ = s.Tree.WriteFile(name, small, 0o644)
				}
				s.Script = slices.Concat(denied("MLSD", "b"), denied("LIST", "b"), denied("STAT", "b"))
			}}
			inBubble(t, server, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				globs(t, fsys, "*/x", fs.ErrPermission, "a/x")
				globs(t, fsys, "a/*", nil, "a/x")
				for _, none := range []string{"none", "none/*", "*/none/*", "top/*", "/*", "a/../*"} {
					if none == "*/none/*" { // b may have it
						globs(t, fsys, none, fs.ErrPermission)
						continue
					}
					globs(t, fsys, none, nil)
				}
				globs(t, fsys, "top", nil, "top")
				if _, err := fsys.Glob("[a"); err == nil {
					t.Error("a bad pattern, and nil")
				}
				// What is known to be a file is not asked whether it is a directory.
				if n := w.commands("MLSD") + w.commands("LIST") + w.commands("CWD"); n > 40 {
					t.Errorf("%d listings", n)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				globs(t, fsys.WithContext(ctx), "*", context.Canceled)
				globs(t, fsys.WithContext(ctx), "top", context.Canceled)
				fsys.Close()
				globs(t, fsys, "*/*", ftpnat.ErrClosed)
			})
		})
	}
}

func globs(t *testing.T, fsys *ftpnat.FS, pattern string, want error, names ...string) {
	t.Helper()
	got, err := fsys.Glob(pattern)
	if !slices.Equal(got, names) || want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("Glob(%q): %q, %v", pattern, got, err)
	}
}

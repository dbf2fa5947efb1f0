package remote_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestMLSDRefused has servers that name MLSD in FEAT and refuse it: always, with
// a name, or with a name that has letters of patterns. What does work is found out,
// and remembered.
func TestMLSDRefused(t *testing.T) {
	denied := ftptest.ProFTPD()
	denied.Denied = []string{"MLSD"}
	for _, c := range []struct {
		what  string
		p     ftptest.Personality
		steps []ftptest.Step
		later string // what lists a directory once that is known
	}{
		{"501 to all", ftptest.Plain(), []ftptest.Step{{On: "MLSD", Reply: "501 Syntax error."}}, "LIST"},
		{"550 to all", ftptest.Plain(), []ftptest.Step{{On: "MLSD", Reply: "550 Permission denied."}}, "LIST"},
		{"Limit MLSD", denied, nil, "LIST"},
		{"501 to names", ftptest.Plain(), []ftptest.Step{
			{On: "MLSD", Arg: "pub", Reply: "501 No arguments."}, {On: "MLSD", Arg: "deep", Reply: "501 No arguments."}, {On: "MLSD", Arg: "empty", Reply: "501 No arguments."},
		}, "MLSD"},
		{"550 to names", ftptest.Plain(), []ftptest.Step{
			{On: "MLSD", Arg: "pub", Reply: "550 Failed."}, {On: "MLSD", Arg: "deep", Reply: "550 Failed."}, {On: "MLSD", Arg: "empty", Reply: "550 Failed."},
		}, "MLSD"},
	} {
		t.Run(c.what, func(t *testing.T) {
			odd := func(s *ftptest.Server) { s.Personality, s.Script = c.p, c.steps }
			run(t, odd, func(t *testing.T, w *world) {
				for i, dir := range []string{"pub", "pub/deep", "pub", "empty"} {
					want := map[string]string{"pub": "deep file", "pub/deep": "file", "empty": ""}[dir]
					w.commands()
					if list, err := w.List(w.ctx, dir); names(list) != want || err != nil {
						t.Errorf("%s: %q, %v", dir, names(list), err)
					}
					sent := w.commands()
					if i > 0 && slices.ContainsFunc(sent, func(s string) bool { return strings.HasPrefix(s, "MLSD") && s != c.later }) {
						t.Errorf("%s: %q", dir, sent)
					}
				}
			})
		})
	}
}

// TestMLSDForbids keeps what is forbidden: a directory that may not be read is
// not taken for an empty one, and MLSD stays in use.
func TestMLSDForbids(t *testing.T) {
	closed := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "MLSD", Arg: "deep", Reply: "550 Permission denied."}, {On: "CWD", Arg: "deep", Reply: "550 Permission denied."}, {On: "LIST", Arg: "deep", Reply: "550 Permission denied."}}
	}
	run(t, closed, func(t *testing.T, w *world) {
		for range 2 {
			_, err := w.List(w.ctx, "pub/deep")
			checkKind(t, "List", err, fs.ErrPermission)
		}
		if list, err := w.List(w.ctx, "pub"); names(list) != "deep file" || err != nil {
			t.Errorf("%q, %v", names(list), err)
		}
		w.commands()
		_, err := w.List(w.ctx, "pub/deep")
		checkKind(t, "List", err, fs.ErrPermission)
		if sent := w.commands(); len(sent) > 2 || !w.HasMLSD() {
			t.Errorf("sent %q", sent)
		}
	})
}

// TestMLSDGlobs has an MLSD that takes its argument for a pattern.
func TestMLSDGlobs(t *testing.T) {
	for _, globs := range []bool{false, true} {
		odd := func(s *ftptest.Server) {
			_ = s.Tree.WriteFile("a[b]/in", nil, 0o644)
			_ = s.Tree.WriteFile("ab/other", nil, 0o644)
			if globs {
				s.Script = []ftptest.Step{{On: "MLSD", Arg: "a[b]", As: "MLSD ab"}}
			}
		}
		run(t, odd, func(t *testing.T, w *world) {
			for i := range 3 {
				w.commands()
				if list, err := w.List(w.ctx, "a[b]"); names(list) != "in" || err != nil {
					t.Errorf("%q, %v", names(list), err)
				}
				if sent := w.commands(); i > 0 && slices.Contains(sent, "MLSD a[b]") == globs {
					t.Errorf("sent %q", sent)
				}
			}
		})
	}
}

// TestMLSDLost has a refusal that may pass.
func TestMLSDLost(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "MLSD", Reply: "450 Busy."}} }, func(t *testing.T, w *world) {
		if _, err := w.List(w.ctx, "pub"); !proto.IsTemporary(err) {
			t.Error(err)
		}
	})
}

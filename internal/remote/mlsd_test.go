package remote_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
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

// TestMLSDOfFile has a server whose MLSD lists a file by its name, as goftp does: it
// is no directory. One that has a file of its own name is one.
func TestMLSDOfFile(t *testing.T) {
	lists := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "MLSD", Arg: "top", As: "MLSD only"}, {On: "MLSD", Arg: "file", As: "MLSD pub/deep"}}
		_ = s.Tree.WriteFile("only/top", []byte(content), 0o644)
		_ = s.Tree.WriteFile("own/own", []byte(content), 0o644)
	}
	run(t, lists, func(t *testing.T, w *world) {
		for _, name := range []string{"top", "pub/file"} {
			if list, err := w.List(w.ctx, name); !errors.Is(err, proto.ErrNotDir) {
				t.Errorf("%s: %q, %v", name, names(list), err)
			}
		}
		for name, want := range map[string]string{"own": "own", "only": "top", "pub/deep": "file"} {
			if list, err := w.List(w.ctx, name); err != nil || names(list) != want {
				t.Errorf("%s: %q, %v", name, names(list), err)
			}
		}
	})
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

// TestClearer has an MLSD that does not tell all: LIST is asked, and what tells more is
// taken, unless it has less.
func TestClearer(t *testing.T) {
	const dir, file = "drwxr-xr-x 2 ftp ftp 4096 Jan 02 2020 ", "-rw-r--r-- 1 ftp ftp 5 Jan 02 2020 "
	mute, odd := []string{"size=5; deep", "type=file;size=7; file"}, []string{"type=dir; deep", "What?", "type=file;size=7; file"}
	shut := []ftptest.Step{{On: "LIST", Reply: "550 Permission denied."}}
	for _, c := range []struct {
		name       string
		mlsd, list []string
		script     []ftptest.Step
		want       string // with the types
		unread     int
		gone       bool // MLSD is of no use
		fails      bool
	}{
		{name: "LIST tells all", mlsd: mute, list: []string{dir + "deep", file + "file"}, want: "deep/ file", gone: true},
		{name: "LIST has more", mlsd: mute, list: []string{dir + "deep", file + "file", file + "x"}, want: "deep/ file x", gone: true},
		{name: "LIST has less", mlsd: mute, list: []string{file + "file"}, want: "deep? file"},
		{name: "LIST tells nothing", mlsd: mute, list: nil, want: "deep? file"},
		{name: "LIST tells as little", mlsd: mute, list: []string{"What?", file + "file", dir + "deep"}, want: "deep? file"},
		{name: "LIST says that there is nothing", mlsd: mute, script: []ftptest.Step{{On: "LIST", Reply: "550 No files found."}}, want: "deep? file"},
		{name: "LIST is refused", mlsd: mute, script: shut, fails: true},
		{name: "LIST has what was not understood", mlsd: odd, list: []string{dir + "deep", file + "file", file + "x"}, want: "deep/ file x", gone: true},
		{name: "LIST has less of what was not understood", mlsd: append(odd, "Why?"), list: []string{file + "file"}, want: "file", gone: true},
		{name: "LIST is as hard to understand", mlsd: odd, list: []string{dir + "deep", "What?", file + "file"}, want: "deep/ file", unread: 1},
		{name: "LIST is easier to understand", mlsd: append(odd, "Why?"), list: []string{file + "file", "What?"}, want: "file", unread: 1},
		{name: "what was not understood, and LIST is refused", mlsd: odd, script: shut, want: "deep/ file", unread: 1},
		{name: "what was not understood, and LIST is lost", mlsd: odd, script: []ftptest.Step{{On: "LIST", Final: ftptest.None, Then: ftptest.Reset}}, fails: true},
	} {
		edit := func(s *ftptest.Server) {
			s.Script = c.script
			s.EditList = func(dir string, lines []string) []string {
				switch {
				case dir != "pub" && dir != "/pub":
					return lines
				case len(lines) > 0 && strings.Contains(lines[0], ";"):
					return c.mlsd
				}
				return c.list
			}
		}
		run(t, edit, func(t *testing.T, w *world) {
			list, err := w.List(w.ctx, "pub")
			var got []string
			for _, e := range list {
				got = append(got, e.Name+map[listing.Type]string{listing.TypeDir: "/", listing.TypeUnknown: "?"}[e.Type])
			}
			if strings.Join(got, " ") != c.want || proto.Unread(err).Count() != c.unread || (err != nil) != (c.fails || c.unread > 0) {
				t.Errorf("%s: %q, %v", c.name, got, err)
			}
			if w.HasMLSD() == c.gone {
				t.Errorf("%s: MLSD is of use: %v", c.name, w.HasMLSD())
			}
		})
	}
}

// TestClosed has LIST show nothing at all of a directory: it is closed if the server
// shows "." in others, which is found out once, by the root.
func TestClosed(t *testing.T) {
	shows, hides := ftptest.ProFTPD(), ftptest.ProFTPD()
	hides.Listing.DotDirs = false
	for _, c := range []struct {
		name   string
		p      ftptest.Personality
		known  map[remote.Capability]bool
		script []ftptest.Step
		kind   error // of what is shut; nil for none
		lost   bool
		learnt proto.Finding
		root   bool // is listed
		bare   bool // the root has nothing in it
	}{
		{name: "it shows itself", p: shows, kind: fs.ErrPermission, learnt: proto.Yes, root: true},
		{name: "it shows itself, and nothing else", p: shows, bare: true, kind: fs.ErrPermission, learnt: proto.Yes, root: true},
		{name: "it shows nothing at all", p: hides, bare: true, learnt: proto.Unknown, root: true},
		{name: "it does not", p: hides, learnt: proto.No, root: true},
		{name: "it is known to show itself", p: shows, known: map[remote.Capability]bool{remote.ListsSelf: true}, kind: fs.ErrPermission, learnt: proto.Yes},
		{name: "it is known not to", p: shows, known: map[remote.Capability]bool{remote.ListsSelf: false}, learnt: proto.No},
		{name: "the root is refused", p: shows, script: []ftptest.Step{{On: "LIST", Arg: " /", Reply: "550 No."}}, learnt: proto.Unknown, root: true},
		{name: "the root is too long", p: shows, script: []ftptest.Step{{On: "LIST", Arg: " /", Final: "226 Output truncated to 1 match"}}, learnt: proto.Unknown, root: true},
		{name: "the root is lost", p: shows, script: []ftptest.Step{{On: "LIST", Arg: " /", Final: ftptest.None, Then: ftptest.Reset}}, lost: true, learnt: proto.Unknown, root: true},
	} {
		p := c.p
		p.Missing = append(slices.Clone(p.Missing), "MLSD", "MLST")
		shut := func(s *ftptest.Server) {
			s.Personality, s.Script = p, c.script
			s.EditList = func(dir string, lines []string) []string {
				switch {
				case dir == "empty" || dir == "/empty":
					return nil
				case c.bare:
					return slices.DeleteFunc(lines, func(line string) bool { return !strings.HasSuffix(line, ".") })
				}
				return lines
			}
		}
		run(t, shut, func(t *testing.T, w *world) {
			w.Server.Learn(remote.DashA, true)
			for what, has := range c.known {
				w.Server.Learn(what, has)
			}
			list, err := w.List(w.ctx, "empty")
			if len(list) > 0 || (err != nil) != (c.lost || c.kind != nil) || c.kind != nil && !errors.Is(err, c.kind) || c.lost && !errors.Is(err, proto.ErrLost) {
				t.Errorf("%s: %q, %v", c.name, names(list), err)
			}
			if got := w.Server.Knows(remote.ListsSelf); got != c.learnt {
				t.Errorf("%s: learnt %v, want %v", c.name, got, c.learnt)
			}
			if sent := w.commands(); slices.Contains(sent, "LIST -a /") != c.root {
				t.Errorf("%s: %q", c.name, sent)
			}
		})
	}
}

// TestListsOne lists a directory with one file: that shows that LIST takes options,
// unless its name is theirs.
func TestListsOne(t *testing.T) {
	for _, c := range []struct {
		p     ftptest.Personality
		name  string
		takes proto.Finding
		lists int
	}{{ftptest.VSFTPD(), "one", proto.Yes, 1}, {ftptest.VSFTPD(), "-a", proto.Unknown, 2}, {noOptions(), "one", proto.No, 2}, {noOptions(), "-a", proto.Unknown, 2}} {
		run(t, func(s *ftptest.Server) {
			s.Personality = c.p
			_ = s.Tree.WriteFile("single/"+c.name, nil, 0o644)
		}, func(t *testing.T, w *world) {
			list, err := w.List(w.ctx, "single")
			n := w.count("LIST")
			if err != nil || names(list) != c.name || n != c.lists || w.Server.Knows(remote.DashA) != c.takes {
				t.Errorf("%s, %s: %q in %d listings, %v; takes -a: %v", c.p.Name, c.name, names(list), n, err, w.Server.Knows(remote.DashA))
			}
		})
	}
}

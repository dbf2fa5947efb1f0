package remote_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// stream reads a listing as it comes, and returns the names and how it ended.
func (w *world) stream(dir string) (string, error) {
	l, err := remote.OpenList(w.ctx, w.Session, dir)
	if err != nil {
		return "", err
	}
	var all []string
	for {
		e, err := l.Next()
		if err != nil {
			return strings.Join(all, " "), l.End(w.ctx, err)
		}
		all = append(all, e.Name)
	}
}

// TestOpenList reads listings as they come: what is read in this way is what List has,
// or it is not clear, and the session stands where it stood.
func TestOpenList(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
			for i := range 2 {
				for dir, want := range map[string]string{"": "empty pub top", "pub": "deep file", "pub/deep": "file"} {
					got, err := w.stream(dir)
					if one := !strings.Contains(want, " "); err != nil && !(one && errors.Is(err, remote.ErrUnclear)) || err == nil && got != want {
						t.Errorf("%s, %d, %q: %q, %v", p.Name, i, dir, got, err)
					}
				}
				if _, err := w.stream("none"); !errors.Is(err, remote.ErrUnclear) {
					t.Errorf("%s: of what is missing: %v", p.Name, err)
				}
				if _, err := w.stream("empty"); err != nil && !errors.Is(err, remote.ErrUnclear) || err == nil && p.Name != "Pure-FTPd" {
					t.Errorf("%s: of what is empty: %v", p.Name, err)
				}
				if list, err := w.List(w.ctx, ""); err != nil || names(list) != "empty pub top" {
					t.Errorf("%s: the session stands elsewhere: %q, %v", p.Name, names(list), err)
				}
			}
		})
	}
}

// TestOpenListBy names the directory where the server is known to take that, and enters
// it elsewhere.
func TestOpenListBy(t *testing.T) {
	type known map[remote.Capability]bool
	yes, no := true, false
	for _, c := range []struct {
		p      ftptest.Personality
		dir    string
		known  known
		byName bool
	}{
		{ftptest.Plain(), "pub", nil, true},
		{ftptest.Plain(), "pub", known{remote.MLSDArg: yes}, true},
		{ftptest.Plain(), "pub", known{remote.MLSDArg: no}, false},
		{ftptest.Plain(), "a[b]", nil, false},
		{ftptest.Plain(), "a[b]", known{remote.MLSDGlobs: yes}, false},
		{ftptest.Plain(), "a[b]", known{remote.MLSDGlobs: no}, true},
		{ftptest.Plain(), "a[b]", known{remote.MLSDGlobs: no, remote.MLSDArg: no}, false},
		{ftptest.Plain(), "pub", known{remote.MLSDGlobs: yes}, true},
		{ftptest.VSFTPD(), "pub", nil, false},
		{ftptest.VSFTPD(), "pub", known{remote.ListArg: yes}, false},
		{ftptest.VSFTPD(), "pub", known{remote.DashA: yes}, false},
		{ftptest.VSFTPD(), "pub", known{remote.ListArg: yes, remote.DashA: yes}, true},
		{ftptest.VSFTPD(), "pub", known{remote.ListArg: yes, remote.DashA: no}, true},
		{ftptest.VSFTPD(), "pub", known{remote.ListArg: no, remote.DashA: yes}, false},
		{ftptest.VSFTPD(), "a[b]", known{remote.ListArg: yes, remote.DashA: yes}, false},
	} {
		run(t, func(s *ftptest.Server) {
			s.Personality = c.p
			for _, name := range []string{"x", "y"} {
				_ = s.Tree.WriteFile("a[b]/"+name, nil, 0o644)
			}
		}, func(t *testing.T, w *world) {
			for what, has := range c.known {
				w.Server.Learn(what, has)
			}
			want := map[string]string{"pub": "deep file", "a[b]": "x y"}[c.dir]
			if got, err := w.stream(c.dir); err != nil || got != want {
				t.Errorf("%s, %s, %v: %q, %v", c.p.Name, c.dir, c.known, got, err)
			}
			sent := w.commands()
			entered := slices.Contains(sent, "CWD "+c.dir)
			named := slices.ContainsFunc(sent, func(s string) bool { return strings.HasSuffix(s, " "+c.dir) && !strings.HasPrefix(s, "CWD") })
			if named != c.byName || entered == c.byName {
				t.Errorf("%s, %s, %v: %q", c.p.Name, c.dir, c.known, sent)
			}
			// Nothing is learnt of names from where none was sent.
			learnt := proto.Unknown
			if has, ok := c.known[remote.MLSDArg]; ok {
				learnt = proto.Found(has)
			}
			if c.p.Name == "Plain" && c.byName {
				learnt = proto.Yes
			}
			if _, ok := c.known[remote.DashA]; !ok && c.p.Name == "Plain" && w.Server.Knows(remote.DashA) != proto.Unknown {
				t.Errorf("%s, %v: learnt of LIST from MLSD", c.dir, c.known)
			}
			if got := w.Server.Knows(remote.MLSDArg); got != learnt {
				t.Errorf("%s, %s, %v: learnt %v of MLSD, want %v", c.p.Name, c.dir, c.known, got, learnt)
			}
		})
	}
}

// TestOpenListOdd has listings that are no plain ones: the caller is told, by an error
// or that it is not clear, and nothing passes for a whole listing.
func TestOpenListOdd(t *testing.T) {
	const dir, file = "drwxr-xr-x 2 ftp ftp 4096 Jan 02 2020 ", "-rw-r--r-- 1 ftp ftp 5 Jan 02 2020 "
	unread := errors.New("lines that were not understood")
	machine := func(lines ...string) func(string, []string) []string {
		return func(_ string, all []string) []string { return append(all, lines...) }
	}
	lines := func(lines ...string) func(string, []string) []string {
		return func(string, []string) []string { return lines }
	}
	for _, c := range []struct {
		name  string
		p     ftptest.Personality
		edit  func(dir string, lines []string) []string
		setup func(s *ftptest.Server)
		known map[remote.Capability]bool
		dir   string
		want  string
		err   error // nil for a whole listing
	}{
		{name: "MLSD with a line of something else", p: ftptest.Plain(), edit: machine("What?"), want: "empty pub top", err: remote.ErrUnclear},
		{name: "MLSD with an entry of no type", p: ftptest.Plain(), edit: machine("size=5; x"), want: "empty pub top", err: remote.ErrUnclear},
		{name: "LIST with a line of something else", p: ftptest.VSFTPD(), edit: lines(file+"a", "What?", file+"b"), want: "a b", err: unread},
		{name: "LIST -a that may have listed a file", p: ftptest.VSFTPD(), edit: lines(file + "-a"), want: "", err: remote.ErrUnclear},
		{name: "LIST -a with a file of that name", p: ftptest.VSFTPD(), edit: lines(file+"-a", file+"b"), want: "-a b"},
		{name: "LIST -a with one file", p: ftptest.VSFTPD(), edit: lines(file + "b"), want: "b"},
		{name: "LIST -a with a directory", p: ftptest.VSFTPD(), edit: lines(dir + "b"), want: "b"},
		{name: "LIST -a, known, with a file of that name", p: ftptest.VSFTPD(), known: map[remote.Capability]bool{remote.DashA: true}, edit: lines(file + "-a"), want: "-a"},
		{name: "a file that is listed by its name", p: ftptest.VSFTPD(), dir: "top", known: map[remote.Capability]bool{remote.DashA: true, remote.ListArg: true}, want: "top", err: remote.ErrUnclear},
		{name: "a directory that has its own name", p: ftptest.VSFTPD(), dir: "pub", known: map[remote.Capability]bool{remote.DashA: true, remote.ListArg: true}, edit: lines(file+"pub", file+"x"), want: "pub x"},
		{name: "a directory with its own name alone, entered", p: ftptest.VSFTPD(), dir: "pub", edit: lines(file + "pub"), want: "pub"},
		{name: "the last line has no end", p: ftptest.VSFTPD(), setup: func(s *ftptest.Server) { s.Personality.Listing.OpenEnd = true }, want: "empty pub", err: remote.ErrUnclear},
		{name: "the data is cut between lines", p: ftptest.PureFTPd(), setup: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "MLSD", Final: "226-Options: -a -l\n226 9 matches total"}}
		}, want: "empty pub top", err: proto.ErrShort},
		{name: "the listing is called incomplete", p: ftptest.VSFTPD(), setup: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "LIST", Final: "226 Output truncated to 3 matches"}}
		}, want: "empty pub top", err: proto.ErrTruncated},
		{name: "the listing is refused at its end", p: ftptest.VSFTPD(), setup: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "LIST", Final: "451 Failed."}}
		}, want: "empty pub top", err: &proto.Error{}},
		{name: "the way back is lost", p: ftptest.VSFTPD(), dir: "pub", setup: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "CWD", Nth: 2, Then: ftptest.Reset}}
		}, want: "deep file"},
		{name: "there is no way back", p: ftptest.VSFTPD(), dir: "pub", setup: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "CWD", Nth: 2, Then: ftptest.Reset}, {On: "PASS", Nth: 2, Reply: "530 No."}, {On: "PASS", Nth: 3, Reply: "530 No."}}
		}, want: "deep file", err: &proto.Error{}},
	} {
		run(t, func(s *ftptest.Server) {
			s.Personality, s.EditList = c.p, c.edit
			if c.setup != nil {
				c.setup(s)
			}
		}, func(t *testing.T, w *world) {
			for what, has := range c.known {
				w.Server.Learn(what, has)
			}
			got, err := w.stream(c.dir)
			ok := errors.Is(err, c.err)
			var refused *proto.Error
			switch c.err.(type) {
			case *proto.Error:
				ok = errors.As(err, &refused)
			}
			if c.err == unread {
				ok = proto.Unread(err).Count() == 1
			}
			if got != c.want || !ok {
				t.Errorf("%s: %q, %v", c.name, got, err)
			}
		})
	}
}

// TestOpenListRefused has the server refuse a listing, or a directory: List finds out
// why. What is no refusal is told at once.
func TestOpenListRefused(t *testing.T) {
	for _, c := range []struct {
		step    ftptest.Step
		unclear bool
	}{
		{ftptest.Step{On: "LIST", Reply: "550 No."}, true},
		{ftptest.Step{On: "CWD", Arg: "pub", Reply: "550 No."}, true},
		{ftptest.Step{On: "CWD", Arg: "pub", Then: ftptest.Reset}, false},
		{ftptest.Step{On: "PWD", Then: ftptest.Reset}, false},
	} {
		run(t, func(s *ftptest.Server) {
			s.Personality, s.Script = ftptest.VSFTPD(), []ftptest.Step{c.step}
		}, func(t *testing.T, w *world) {
			l, err := remote.OpenList(w.ctx, w.Session, "pub")
			if err == nil || l != nil || errors.Is(err, remote.ErrUnclear) != c.unclear {
				t.Errorf("%+v: %v", c.step, err)
			}
			if c.unclear {
				if list, err := w.List(w.ctx, ""); c.step.On == "CWD" && (err != nil || names(list) != "empty pub top") {
					t.Errorf("%+v: the session stands elsewhere: %q, %v", c.step, names(list), err)
				}
			}
		})
	}
	runWith(t, muteCharset{}, func(s *ftptest.Server) { s.Personality = ftptest.Ancient() }, func(t *testing.T, w *world) {
		if l, err := remote.OpenList(w.ctx, w.Session, "pub"); l != nil || !errors.Is(err, fs.ErrInvalid) {
			t.Error(err)
		}
	})
}

// TestOpenListReady says whether a line is there already, and stops in the middle.
func TestOpenListReady(t *testing.T) {
	run(t, func(s *ftptest.Server) {
		s.Personality = ftptest.VSFTPD()
		for i := range 100 {
			_ = s.Tree.WriteFile(fmt.Sprint("many/", i), nil, 0o644)
		}
	}, func(t *testing.T, w *world) {
		l, err := remote.OpenList(w.ctx, w.Session, "many")
		if err != nil {
			t.Fatal(err)
		}
		if l.Ready() {
			t.Error("ready before anything was read")
		}
		// The second is read with the first, to see what the server makes of options.
		if e, err := l.Next(); err != nil || e.Name != "0" || !l.Ready() {
			t.Errorf("%v, %v; ready %v", e, err, l.Ready())
		}
		if e, err := l.Next(); err != nil || e.Name != "1" {
			t.Errorf("%v, %v", e, err)
		}
		l.Stop(w.ctx)
		l.Stop(w.ctx)
		if got, err := w.stream("many"); err != nil || strings.Count(got, " ") != 99 {
			t.Errorf("%q, %v", got, err)
		}
		if w.Server.Knows(remote.DashA) != proto.Yes {
			t.Error("it did not learn that LIST takes -a")
		}
	})
}

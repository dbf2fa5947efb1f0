package remote_test

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// TestSince compares what a server told of a name before and after.
func TestSince(t *testing.T) {
	at := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	missing, untold := remote.Mark{Size: -1, Refused: true}, remote.Unmarked
	for _, c := range []struct {
		name        string
		before, now remote.Mark
		want        bool
	}{
		{"the same", remote.Mark{Size: 5, Time: at}, remote.Mark{Size: 5, Time: at}, false},
		{"the same size", remote.Mark{Size: 5}, remote.Mark{Size: 5, Time: at}, false},
		{"another time", remote.Mark{Size: 5, Time: at}, remote.Mark{Size: 5, Time: at.Add(time.Second)}, true},
		{"another size", remote.Mark{Size: 4, Time: at}, remote.Mark{Size: 5, Time: at}, true},
		{"it was missing", missing, remote.Mark{Size: 5}, true},
		{"it is missing", remote.Mark{Size: 5}, missing, false},
		{"nobody had asked", untold, remote.Mark{Size: 5, Time: at}, false},
		{"nothing is told", missing, untold, false},
	} {
		if got := c.now.Since(c.before); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestMark asks about names, in as few round trips as the server allows.
func TestMark(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), oneByOne(), ftptest.Ancient()} {
		run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
			for _, name := range []string{"top", "no"} {
				start := time.Now()
				m, err := remote.MarkOf(w.ctx, w.Session.ForTransfer(), name, true)
				took := time.Since(start)
				there, tells := name == "top", p.Name != "Ancient"
				if err != nil || (m.Size == int64(len(content))) != (there && tells) || m.Refused != (!there && tells) {
					t.Errorf("%s, %s: %+v, %v", p.Name, name, m, err)
				}
				if p.Name == "vsftpd" && (took > 60*time.Millisecond || m.Time.IsZero() == there) {
					t.Errorf("%s: %+v, took %v", name, m, took)
				}
			}
		})
	}
}

// TestLacks asks about names under which a file was stored, and that SIZE is refused
// for.
func TestLacks(t *testing.T) {
	hidden := ftptest.VSFTPD()
	hidden.Listing.Hide, hidden.Denied = []string{"*"}, []string{"SIZE"}
	for name, c := range map[string]struct {
		p     ftptest.Personality
		lacks bool
	}{
		"it is not there": {ftptest.VSFTPD(), true},
		"a drop box":      {ftptest.DropBox(), false},
		"as if missing":   {ftptest.DropBox().Saying("denied", "550 No such file or directory."), false},
		"all is hidden":   {hidden, false},
	} {
		run(t, func(s *ftptest.Server) { s.Personality = c.p }, func(t *testing.T, w *world) {
			for range 2 {
				now, err := remote.MarkOf(w.ctx, w.Session, "no", false)
				if err != nil {
					t.Fatal(err)
				}
				if lacks, err := remote.Lacks(w.ctx, w.Session, "no", now); lacks != c.lacks || err != nil {
					t.Errorf("%s: %v, %v", name, lacks, err)
				}
			}
			w.commands()
			if _, err := remote.Lacks(w.ctx, w.Session, "no", remote.Mark{Size: -1, Refused: true}); err != nil || !c.lacks && len(w.commands()) > 0 {
				t.Errorf("%s: it was not remembered: %v", name, err)
			}
		})
	}
}

// TestRenamed finds out whether a rename was carried out whose reply is lost: A2.
func TestRenamed(t *testing.T) {
	dots := ftptest.VSFTPD()
	dots.Listing.Hide = []string{".*"}
	for _, p := range append(servers(), dots, ftptest.Ancient()) {
		run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
			for name, data := range map[string]string{".temp": content, "same": content, "other": "x"} {
				if err := w.srv.Tree.WriteFile(name, []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range []struct {
				from, to string
				want     bool
			}{
				{".temp", "same", false}, {".temp", "no", false}, {".gone", "same", true},
				{".gone", "other", false}, {".gone", "no", false},
			} {
				if done, err := remote.Renamed(w.ctx, w.Session, c.from, c.to, int64(len(content))); done != c.want || err != nil {
					t.Errorf("%s: %s to %s: %v, %v", p.Name, c.from, c.to, done, err)
				}
			}
			if done, err := remote.Renamed(w.ctx, w.Session, "nowhere", "empty", -1); !done || err != nil {
				t.Errorf("%s: a directory: %v, %v", p.Name, done, err)
			}
		})
	}
}

// TestRenameCut loses the reply to RNTO, and to RNFR, which is sent again.
func TestRenameCut(t *testing.T) {
	for verb, unsettled := range map[string]bool{"RNFR": false, "RNTO": true} {
		run(t, func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: verb, Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}}
		}, func(t *testing.T, w *world) {
			err := remote.Rename(w.ctx, w.Session, "top", "new")
			if errors.Is(err, remote.ErrUnsettled) != unsettled {
				t.Errorf("%s: %v", verb, err)
			}
			if _, serr := w.srv.Tree.Stat("new"); (serr == nil) != (err == nil) {
				t.Errorf("%s: %v, and on the server %v", verb, err, serr)
			}
		})
	}
}

// TestRemovalCut loses the reply to DELE: what was there before decides what it means
// that there is nothing now.
func TestRemovalCut(t *testing.T) {
	for name, there := range map[string]bool{"top": true, "no": false} {
		for _, carried := range []bool{false, true} {
			run(t, func(s *ftptest.Server) {
				step := ftptest.Step{On: "DELE", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}
				if carried {
					step.Do = func() { _ = s.Tree.Remove(name) }
				}
				s.Script = []ftptest.Step{step}
			}, func(t *testing.T, w *world) {
				r := remote.Removal{Careful: true, Asks: true}
				err := r.Do(w.ctx, w.Session, name)
				if err == nil {
					t.Error("the reply was not lost")
				}
				err = r.Do(w.ctx, w.Session, name)
				if there && err != nil || !there && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s, carried out %v: %v", name, carried, err)
				}
			})
		}
	}
}

// TestRemoveUnknown has a refusal whose words say that there is no such file, and a
// look at it that breaks: nothing is known of the name.
func TestRemoveUnknown(t *testing.T) {
	run(t, func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "DELE", Reply: "550 The system cannot find the file specified."}, {On: "MLST", Then: ftptest.Reset}}
	}, func(t *testing.T, w *world) {
		if err := remote.Remove(w.ctx, w.Session, "empty", true); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove: %v", err)
		}
	})
}

// TestTempName has names that file systems take, cut between letters: C6.
func TestTempName(t *testing.T) {
	for _, base := range []string{"a.txt", strings.Repeat("日", 70) + ".txt", strings.Repeat("a", 300), strings.Repeat("x", 199) + "é", "\xff" + strings.Repeat("\x80", 250)} {
		for _, hidden := range []bool{true, false} {
			dir, name := remote.Split(remote.TempName("dir/"+base, "part", hidden))
			if dir != "dir" || len(name) > 255 || strings.HasPrefix(name, ".") != hidden || utf8.ValidString(name) != utf8.ValidString(base) {
				t.Errorf("%q, of %d bytes", name, len(name))
			}
		}
	}
}

// TestHashBy asks for a hash of one algorithm.
func TestHashBy(t *testing.T) {
	const sum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73" // of content
	for _, c := range []struct {
		feature, algorithm, name string
		script                   []ftptest.Step
		kind                     error
		sent                     []string
	}{
		{"XSHA256", "SHA-256", "top", nil, nil, []string{"XSHA256 top"}},
		{"HASH SHA-256*;MD5", "sha256", "top", nil, nil, []string{"HASH top"}},
		{"HASH SHA-1*;SHA-256", "SHA-256", "top", []ftptest.Step{{On: "OPTS", Reply: "200 SHA-256"}, {On: "HASH", Reply: "213 SHA-256 0-7 " + sum + " top"}}, nil,
			[]string{"OPTS HASH SHA-256", "HASH top", "OPTS HASH SHA-1"}},
		{"XCRC", "SHA-256", "top", nil, errors.ErrUnsupported, nil},
		{"XSHA256", "TIGER", "top", nil, errors.ErrUnsupported, nil},
		{"XSHA256", "SHA-256", "no", nil, fs.ErrNotExist, nil},
		{"XSHA256", "SHA-256", "top", []ftptest.Step{{On: "XSHA256", Reply: "250 Done."}}, errors.ErrUnsupported, nil},
	} {
		run(t, func(s *ftptest.Server) {
			s.Personality.Features = []string{"SIZE", c.feature}
			s.Script = c.script
		}, func(t *testing.T, w *world) {
			got, err := remote.HashBy(w.ctx, w.Session, c.name, c.algorithm)
			checkKind(t, c.feature+" "+c.algorithm, err, c.kind)
			if c.kind == nil && (err != nil || hex.EncodeToString(got) != sum) {
				t.Errorf("%s: %x, %v", c.feature, got, err)
			}
			if sent := w.commands(); c.sent != nil && !slices.Equal(sent, c.sent) {
				t.Errorf("%s: sent %q", c.feature, sent)
			}
		})
	}
}

// TestRenamedUnsaid has RNFR, which has the last word on a hidden name, not be answered:
// it is not known then that a rename was carried out.
func TestRenamedUnsaid(t *testing.T) {
	run(t, func(s *ftptest.Server) {
		s.Personality = ftptest.Ancient()
		s.Script = []ftptest.Step{{On: "RNFR", Then: ftptest.Reset}}
	}, func(t *testing.T, w *world) {
		if done, err := remote.Renamed(w.ctx, w.Session, "gone", "top", int64(len(content))); done || !errors.Is(err, proto.ErrLost) {
			t.Errorf("%v, %v", done, err)
		}
	})
}

// TestMakingTwice has a directory be refused once, and be made by somebody else: the
// second try finds it there, and has not made it.
func TestMakingTwice(t *testing.T) {
	for _, lost := range []bool{false, true} {
		run(t, func(s *ftptest.Server) {
			step := ftptest.Step{On: "MKD", Nth: 1, Reply: "450 Busy."}
			if lost {
				step.Reply, step.Then = ftptest.None, ftptest.Reset
			}
			s.Script = []ftptest.Step{step}
		}, func(t *testing.T, w *world) {
			var m remote.Making
			err := m.Do(w.ctx, w.Session, "new")
			if !retry.Worth(err) {
				t.Fatalf("lost %v: %v", lost, err)
			}
			if err := w.srv.Tree.Mkdir("new", 0o755); err != nil {
				t.Fatal(err)
			}
			if err = m.Do(w.ctx, w.Session, "new"); (err == nil) != lost || err != nil && !errors.Is(err, fs.ErrExist) {
				t.Errorf("lost %v: %v", lost, err)
			}
		})
	}
}

// TestMakingAsks asks as much as is needed to know whether there is something, on a
// server that does not say who it is and has no MLST.
func TestMakingAsks(t *testing.T) {
	for name, want := range map[string][]string{
		"new":   {"PWD", "CWD new", "MKD new"},
		"empty": {"PWD", "CWD empty", "CWD /"},
	} {
		run(t, func(s *ftptest.Server) {
			s.Personality.Features, s.Personality.Control.Ahead = []string{"SIZE"}, ftptest.FirstOnly
		}, func(t *testing.T, w *world) {
			var m remote.Making
			if err := m.Do(w.ctx, w.Session, name); (err == nil) != (name == "new") || err != nil && !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s: %v", name, err)
			}
			if sent := w.commands(); !slices.Equal(sent, want) {
				t.Errorf("%s: %q", name, sent)
			}
		})
	}
}

// TestMakingNoSIZE does not ask for a size where there is no SIZE, or to hear of a
// directory what CWD has told.
func TestMakingNoSIZE(t *testing.T) {
	for _, has := range []bool{true, false} {
		run(t, func(s *ftptest.Server) {
			s.Personality.Features, s.Personality.Control.Ahead = []string{"MDTM"}, ftptest.FirstOnly
			s.Script = []ftptest.Step{{On: "CWD", Arg: "new", Reply: "550 Permission denied."}}
		}, func(t *testing.T, w *world) {
			w.Server.Learn(remote.SIZE, has)
			var m remote.Making
			if err := m.Do(w.ctx, w.Session, "new"); err != nil {
				t.Errorf("SIZE %v: %v", has, err)
			}
			if sent := w.commands(); slices.Contains(sent, "SIZE new") != has {
				t.Errorf("SIZE %v: %q", has, sent)
			}
		})
	}
}

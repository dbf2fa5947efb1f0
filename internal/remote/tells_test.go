package remote_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// TestGlanceAsStat has Glance tell what Stat does, before and after the directory was
// listed, on servers that tell in different ways.
func TestGlanceAsStat(t *testing.T) {
	sizes := ftptest.VSFTPD()
	sizes.Files.SizeDirs = true
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), ftptest.Ancient(), oneByOne(), sizes} {
		links := func(s *ftptest.Server) {
			s.Personality = p
			_ = s.Tree.MkdirAll("l")
			for name, target := range map[string]string{"l/file": "../top", "l/dir": "../pub", "l/none": "gone"} {
				_ = s.Tree.Symlink(target, name)
			}
		}
		run(t, links, func(t *testing.T, w *world) {
			for _, dir := range []string{"", "pub", "l"} { // is listed before what is in it is looked at again
				for _, name := range []string{"top", "pub", "pub/file", "pub/deep", "none", "pub/none", "none/none", "l/file", "l/dir", "l/none", "top/none"} {
					if p.Name == "IIS" && strings.HasPrefix(name, "l/") {
						continue // its listings do not show links
					}
					w.Server.Changed()
					if _, err := w.List(w.ctx, dir); err != nil {
						t.Fatal(err)
					}
					got, err := remote.Glance(w.ctx, w.Session, name)
					w.Server.Changed()
					want, werr := remote.Stat(w.ctx, w.Session, name, false)
					if (err == nil) != (werr == nil) || errors.Is(err, fs.ErrNotExist) != errors.Is(werr, fs.ErrNotExist) {
						t.Errorf("%s, %s, with %q listed: %v, and %v by Stat", p.Name, name, dir, err, werr)
					}
					if err == nil && (got.Type != want.Type || got.Name != want.Name || got.Type == listing.TypeFile && got.Size != want.Size || !remote.SameTime(got, want)) {
						t.Errorf("%s, %s, with %q listed: %+v, and %+v by Stat", p.Name, name, dir, got, want)
					}
				}
			}
		})
	}
}

// TestGlanceRemembers has the mode of a listing of a while ago for what is the same, and
// none for what is not.
func TestGlanceRemembers(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.VSFTPD() }, func(t *testing.T, w *world) {
		look := func(name string, mode, size bool, most int) {
			t.Helper()
			w.commands()
			e, err := remote.Glance(w.ctx, w.Session, name)
			if err != nil || e.HasMode != mode || (e.Size == int64(len(content))) != size {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
			if sent := w.commands(); len(sent) > most || slices.ContainsFunc(sent, func(s string) bool { return strings.HasPrefix(s, "LIST") }) {
				t.Errorf("%s: sent %q", name, sent)
			}
		}
		look("pub/file", false, true, 3) // and whether SIZE tells of directories
		look("pub/file", false, true, 2)
		look("pub/deep", false, false, 5)
		if _, err := w.List(w.ctx, "pub"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		look("pub/file", true, true, 2)
		look("pub/deep", true, false, 4)
		if err := w.srv.Tree.WriteFile("pub/file", []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
		look("pub/file", false, false, 2)
	})
}

// TestGlanceLost has an answer that Glance needs not come: that is its error.
func TestGlanceLost(t *testing.T) {
	for name, verbs := range map[string][]string{"top": {"SIZE", "MDTM"}, "pub": {"SIZE", "CWD", "PWD"}, "none": {"LIST"}} {
		for _, verb := range verbs {
			run(t, func(s *ftptest.Server) {
				s.Personality = ftptest.VSFTPD()
				s.Personality.Control.Ahead = ftptest.FirstOnly
				s.Script = []ftptest.Step{{On: verb, Reply: ftptest.None, Then: ftptest.Reset}}
			}, func(t *testing.T, w *world) {
				if e, err := remote.Glance(w.ctx, w.Session, name); err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s without %s: %v, %v", name, verb, e, err)
				}
			})
		}
	}
}

// TestReadLink says where links lead, by LIST where MLST does not tell.
func TestReadLink(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Plain()} {
		run(t, func(s *ftptest.Server) {
			s.Personality = p
			_ = s.Tree.MkdirAll("l")
			_ = s.Tree.Symlink("../top", "l/top")
			_ = s.Tree.Symlink("gone", "l/none")
		}, func(t *testing.T, w *world) {
			for name, want := range map[string]string{"l/top": "../top", "l/none": "gone"} {
				got, err := remote.ReadLink(w.ctx, w.Session, name)
				if follows := p.Name == "Plain"; got != want && !follows || (err != nil) && !follows {
					t.Errorf("%s, %s: %q, %v", p.Name, name, got, err)
				}
			}
			for name, kind := range map[string]error{"top": fs.ErrInvalid, "pub": fs.ErrInvalid, "l/gone": fs.ErrNotExist} {
				if got, err := remote.ReadLink(w.ctx, w.Session, name); got != "" || !errors.Is(err, kind) {
					t.Errorf("%s, %s: %q, %v", p.Name, name, got, err)
				}
			}
		})
	}
	for _, step := range []ftptest.Step{{On: "LIST", Reply: "550 No."}, {On: "LIST", Final: ftptest.None, Then: ftptest.Reset}} {
		run(t, func(s *ftptest.Server) {
			s.Personality, s.Script = ftptest.ProFTPD(), []ftptest.Step{step}
			_ = s.Tree.Symlink("pub", "link")
		}, func(t *testing.T, w *world) {
			got, err := remote.ReadLink(w.ctx, w.Session, "link")
			if lost := step.Then != ftptest.Keep; got != "" || err == nil || errors.Is(err, errors.ErrUnsupported) == lost {
				t.Errorf("%+v: %q, %v", step, got, err)
			}
		})
	}
}

// TestRenamingAgain has the reply to RNTO be lost, and tries again: what was carried out is
// not done twice, and what was not is done.
func TestRenamingAgain(t *testing.T) {
	for _, carried := range []bool{false, true} {
		for _, late := range []bool{false, true} { // it is carried out after it was looked for
			run(t, func(s *ftptest.Server) {
				move := func() { _ = s.Tree.Rename("top", "new") }
				step := ftptest.Step{On: "RNTO", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}
				if carried && !late {
					step.Do = move
				}
				s.Script = []ftptest.Step{step}
				if carried && late {
					s.Script = append(s.Script, ftptest.Step{On: "RNFR", Nth: 2, Reply: "550 No.", Do: move})
				}
			}, func(t *testing.T, w *world) {
				r := remote.Renaming{From: "top", To: "new", Size: int64(len(content))}
				if err := r.Do(w.ctx, w.Session); !errors.Is(err, remote.ErrUnsettled) {
					t.Fatal(err)
				}
				err := r.Do(w.ctx, w.Session)
				_, serr := w.srv.Tree.Stat("new")
				if err != nil || serr != nil {
					t.Errorf("carried out %v, late %v: %v, and on the server %v", carried, late, err, serr)
				}
			})
		}
	}
}

// TestRenamingTaken goes on where the new name is taken, and nowhere else.
func TestRenamingTaken(t *testing.T) {
	for reply, taken := range map[string]bool{"550 File exists.": true, "": false, "450 Busy.": false} {
		run(t, func(s *ftptest.Server) {
			if reply != "" {
				s.Script = []ftptest.Step{{On: "RNTO", Reply: reply}}
			}
		}, func(t *testing.T, w *world) {
			called := false
			r := remote.Renaming{From: "top", To: "pub/file", Size: -1, Taken: func(context.Context, *remote.Session) error { called = true; return nil }}
			if err := r.Do(w.ctx, w.Session); called != taken || (err == nil) != (taken || reply == "") {
				t.Errorf("%q: called %v, %v", reply, called, err)
			}
			r.Taken = nil
			if err := r.Do(w.ctx, w.Session); reply != "" && err == nil || taken && !errors.Is(err, fs.ErrExist) {
				t.Errorf("%q: %v", reply, err)
			}
		})
	}
}

// TestHashOffered says which hash is going to be used, the best one first.
func TestHashOffered(t *testing.T) {
	for _, c := range []struct {
		features []string
		want     string
	}{
		{nil, ""}, {[]string{"XCRC"}, "CRC32"}, {[]string{"XCRC", "XMD5"}, "MD5"}, {[]string{"XCRC", "HASH SHA-1;MD5*"}, "SHA1"},
		{[]string{"HASH SHA-256*;SHA-512"}, "SHA256"}, {[]string{"XMD5", "HASH TIGER*"}, "MD5"}, {[]string{"HASH TIGER*"}, ""},
	} {
		run(t, func(s *ftptest.Server) { s.Personality.Features = append([]string{"SIZE"}, c.features...) }, func(t *testing.T, w *world) {
			if a, ok := remote.HashOffered(w.Session); a.Name != c.want || ok != (c.want != "") {
				t.Errorf("%q: %q, %v", c.features, a.Name, ok)
			}
		})
	}
}

// TestDenied gives a refusal to remove what is there the meaning that it has.
func TestDenied(t *testing.T) {
	for _, c := range []struct {
		code int
		text string
		kind error
	}{
		{550, "Permission denied.", fs.ErrPermission}, {550, "What?", fs.ErrPermission}, {450, "Busy.", nil}, {500, "What?", nil}, {452, "Full.", nil},
	} {
		err := refusal("DELE x", c.code, c.text)
		got := remote.Denied(err)
		if proto.ReplyOf(got).Code != c.code || c.kind != nil && !errors.Is(got, c.kind) || c.kind == nil && got != err {
			t.Errorf("%d %s: %v", c.code, c.text, got)
		}
	}
}

// TestDecodeEntries translates the names of a listing that came in another way.
func TestDecodeEntries(t *testing.T) {
	for _, features := range [][]string{{"SIZE"}, {"SIZE", "UTF8"}} {
		runWith(t, ftpworld.Latin1{}, func(s *ftptest.Server) { s.Personality.Features = features }, func(t *testing.T, w *world) {
			list := []listing.Entry{{Name: "a"}, {Name: "\xe4", Target: "\xf6"}}
			err := w.Decode(list)
			if utf8 := len(features) > 1; err != nil || (list[1].Name == "ä") == utf8 || (list[1].Target == "ö") == utf8 || list[0].Name != "a" {
				t.Errorf("%q: %+v, %v", features, list, err)
			}
		})
	}
	runWith(t, muteTargets{}, func(s *ftptest.Server) { s.Personality.Features = []string{"SIZE"} }, func(t *testing.T, w *world) {
		if err := w.Decode([]listing.Entry{{Name: "a"}, {Name: "TOP"}}); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "TOP") {
			t.Error(err)
		}
	})
}

// TestSameTime compares times that are exact to different units, in zones that are known
// or not.
func TestSameTime(t *testing.T) {
	at := func(s string, precision listing.Precision, absolute bool) listing.Entry {
		m, err := time.Parse(time.DateTime, s)
		if err != nil {
			t.Fatal(err)
		}
		return listing.Entry{ModTime: m, Precision: precision, Absolute: absolute}
	}
	const day, minute, second, none = listing.PrecisionDay, listing.PrecisionMinute, listing.PrecisionSecond, listing.PrecisionNone
	for _, c := range []struct {
		a, b listing.Entry
		want bool
	}{
		{at("2020-01-02 03:04:05", second, true), at("2020-01-02 03:04:05", second, true), true},
		{at("2020-01-02 03:04:05", second, true), at("2020-01-02 03:04:06", second, true), false},
		{at("2020-01-02 03:04:05", second, true), at("2020-01-02 03:04:00", minute, true), true},
		{at("2020-01-02 03:05:05", second, true), at("2020-01-02 03:04:00", minute, true), false},
		{at("2020-01-02 03:04:05", second, true), at("2022-01-02 03:04:05", none, true), true},
		{at("2022-01-02 03:04:05", none, false), at("2020-01-02 03:04:05", second, true), true},
		{at("2020-01-02 05:34:00", minute, false), at("2020-01-02 03:04:05", second, true), true},
		{at("2020-01-02 05:35:00", minute, false), at("2020-01-02 03:04:05", second, true), false},
		{at("2020-01-02 17:04:00", minute, false), at("2020-01-02 03:04:05", second, true), true},
		{at("2020-01-02 17:19:00", minute, false), at("2020-01-02 03:04:05", second, true), false},
		{at("2020-01-03 00:00:00", day, false), at("2020-01-02 23:04:05", second, true), true},
		{at("2020-01-04 00:00:00", day, false), at("2020-01-02 23:04:05", second, true), false},
		{at("2020-01-03 00:00:00", day, true), at("2020-01-02 23:04:05", second, true), false},
	} {
		if got := remote.SameTime(c.a, c.b); got != c.want || remote.SameTime(c.b, c.a) != c.want {
			t.Errorf("%v, %v: %v", c.a, c.b, got)
		}
	}
}

// TestTold has the size of a file and its time, whether or not they travel together.
func TestTold(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), oneByOne()} {
		run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
			for name, there := range map[string]bool{"top": true, "none": false, "pub": false} {
				w.commands()
				e, ok, err := remote.Told(w.ctx, w.Session, name)
				if ok != there || err != nil || ok && (e.Size != int64(len(content)) || !e.Absolute) {
					t.Errorf("%s, %s: %+v, %v, %v", p.Name, name, e, ok, err)
				}
				if n := len(w.commands()); (n == 1) != (!there && p.Name != "vsftpd") {
					t.Errorf("%s, %s: %d commands", p.Name, name, n)
				}
			}
		})
	}
}

// TestRenameNotKept has a server give a file another name than it was to have: that is an
// error, and the file has its old name again, or the error says that it may not.
func TestRenameNotKept(t *testing.T) {
	for _, back := range []bool{true, false} {
		run(t, func(s *ftptest.Server) {
			s.Personality = ftptest.VSFTPD()
			s.Script = []ftptest.Step{{On: "RNTO", Nth: 1, As: "RNTO new"}, {On: "RNFR", Nth: 2, As: "RNFR new"}}
			if !back {
				s.Script[1] = ftptest.Step{On: "RNFR", Nth: 2, Reply: "550 No."}
			}
		}, func(t *testing.T, w *world) {
			err := remote.Rename(w.ctx, w.Session, "top", "new ")
			_, serr := w.srv.Tree.Stat("top")
			if !errors.Is(err, errors.ErrUnsupported) || (serr == nil) != back || strings.Contains(err.Error(), "may still be there") == back {
				t.Errorf("back %v: %v, and on the server %v", back, err, serr)
			}
		})
	}
}

// TestLookupOutside looks up names that lead out of the session's directory, of which no
// listing is asked for.
func TestLookupOutside(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.VSFTPD() }, func(t *testing.T, w *world) {
		for name, want := range map[string]listing.Type{"/top": listing.TypeFile, "/pub": listing.TypeDir, "../top": listing.TypeFile} {
			if e, err := remote.Lookup(w.ctx, w.Session, name, false); err != nil || e.Type != want || e.Name != remote.BaseName(name) {
				t.Errorf("%s: %v, %v", name, e, err)
			}
		}
		for _, name := range []string{"/none", "../none"} {
			if e, err := remote.Lookup(w.ctx, w.Session, name, false); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, %v", name, e, err)
			}
		}
	})
}

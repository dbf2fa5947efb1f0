package remote_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// TestChange carries out each change, and says why one was refused.
func TestChange(t *testing.T) {
	for _, p := range servers() {
		t.Run(p.Name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
				for _, c := range []struct {
					what string
					err  error
					kind error
				}{
					{"Mkdir", remote.Mkdir(w.ctx, w.Session, "pub/new"), nil},
					{"Mkdir of what is there", remote.Mkdir(w.ctx, w.Session, "pub/new"), fs.ErrExist},
					{"Mkdir in what is not", remote.Mkdir(w.ctx, w.Session, "no/new"), fs.ErrNotExist},
					{"Mkdir in a file", remote.Mkdir(w.ctx, w.Session, "top/new"), proto.ErrNotDir},
					{"Rename", remote.Rename(w.ctx, w.Session, "pub/new", "pub/newer"), nil},
					{"Rename of nothing", remote.Rename(w.ctx, w.Session, "pub/new", "pub/newest"), fs.ErrNotExist},
					{"Rename into nothing", remote.Rename(w.ctx, w.Session, "top", "no/top"), fs.ErrNotExist},
					{"Chmod", remote.Chmod(w.ctx, w.Session, "top", fs.ModeSetgid|0o750), nil},
					{"Chmod of nothing", remote.Chmod(w.ctx, w.Session, "no", 0o750), fs.ErrNotExist},
					{"Remove of a directory", remote.Remove(w.ctx, w.Session, "pub/newer", true), nil},
					{"Remove of a file", remote.Remove(w.ctx, w.Session, "top", true), nil},
					{"Remove of nothing", remote.Remove(w.ctx, w.Session, "top", true), fs.ErrNotExist},
					{"Delete of nothing", remote.Delete(w.ctx, w.Session, "top"), nil},
				} {
					checkKind(t, c.what, c.err, c.kind)
					if (c.err == nil) != (c.kind == nil) && c.what != "Delete of nothing" {
						t.Errorf("%s: %v", c.what, c.err)
					}
				}
			})
		})
	}
}

// TestRenameAny has a server that accepts RNFR for any name, as busybox does.
func TestRenameAny(t *testing.T) {
	any := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RNFR", Reply: "350 Ready."}, {On: "RNTO", Reply: "550 Error."}}
	}
	run(t, any, func(t *testing.T, w *world) {
		checkKind(t, "of nothing", remote.Rename(w.ctx, w.Session, "no", "new"), fs.ErrNotExist)
		checkKind(t, "over a file", remote.Rename(w.ctx, w.Session, "top", "pub/file"), fs.ErrExist)
	})
}

// TestRefusedChange has refusals that are not about the name.
func TestRefusedChange(t *testing.T) {
	for _, c := range []struct {
		reply string
		chmod error
		other error
	}{
		{"504 Not for this.", errors.ErrUnsupported, nil},
		{"450 Busy.", nil, nil},
		{"550 What?", fs.ErrPermission, fs.ErrPermission},
	} {
		script := func(s *ftptest.Server) {
			for _, verb := range []string{"SITE", "RNFR", "DELE"} {
				s.Script = append(s.Script, ftptest.Step{On: verb, Reply: c.reply})
			}
		}
		run(t, script, func(t *testing.T, w *world) {
			checkKind(t, "Chmod: "+c.reply, remote.Chmod(w.ctx, w.Session, "top", 0o700), c.chmod)
			checkKind(t, "Rename: "+c.reply, remote.Rename(w.ctx, w.Session, "top", "new"), c.other)
			if err := remote.Remove(w.ctx, w.Session, "top", true); proto.ReplyOf(err).Code == 0 {
				t.Errorf("Remove: %v", err)
			}
		})
	}
}

// TestHash asks for a hash in each way that servers have.
func TestHash(t *testing.T) {
	const sum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73" // of content
	for _, c := range []struct {
		features []string
		script   []ftptest.Step
		name     string // of the algorithm; empty for none
	}{
		{nil, nil, ""},
		{[]string{"HASH SHA-256*;MD5"}, nil, "SHA256"},
		{[]string{"XSHA256"}, nil, "SHA256"},
		{[]string{"XCRC", "XSHA256"}, nil, "SHA256"},
		{[]string{"XCRC"}, nil, "CRC32"},
		{[]string{"HASH SHA-1*;SHA-256"}, []ftptest.Step{{On: "HASH", Reply: "213 SHA-256 0-7 " + sum + " top"}}, "SHA256"},
		{[]string{"HASH SHA-256*", "XCRC"}, []ftptest.Step{{On: "HASH", Reply: "556 No."}}, "CRC32"},
		{[]string{"HASH TIGER*"}, []ftptest.Step{{On: "HASH", Reply: "213 TIGER 0-7 " + sum + " top"}}, ""},
		{[]string{"XMD5"}, []ftptest.Step{{On: "XMD5", Then: ftptest.Silence}}, ""},
	} {
		hashes := func(s *ftptest.Server) {
			s.Personality.Features = append([]string{"SIZE"}, c.features...)
			s.Script = c.script
		}
		run(t, hashes, func(t *testing.T, w *world) {
			what := fmt.Sprint(c.features, c.script)
			d, ok, err := remote.Hash(w.ctx, w.Session, "top")
			if ok != (c.name != "") || err != nil || d.Name != c.name {
				t.Errorf("%s: %v, %v, %v", what, d, ok, err)
			}
			if ok {
				h := d.New()
				h.Write([]byte(content))
				if want := fmt.Sprintf("%x", h.Sum(nil)); d.Sum != want {
					t.Errorf("%s: %s, want %s", what, d.Sum, want)
				}
			}
		})
	}
}

// TestChangedByOthers does not use a listing from before a change.
func TestChangedByOthers(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.VSFTPD() }, func(t *testing.T, w *world) {
		if _, err := w.List(w.ctx, "pub"); err != nil {
			t.Fatal(err)
		}
		w.commands()
		if _, err := remote.Stat(w.ctx, w.Session, "pub/file", true); err != nil || len(w.commands()) > 0 {
			t.Errorf("Stat did not use a listing of just now: %v", err)
		}
		for name, forget := range map[string]func(){
			"a change": w.Server.Changed,
			"age":      func() { time.Sleep(10 * remote.Fresh) },
		} {
			forget()
			if _, err := remote.Stat(w.ctx, w.Session, "pub/file", true); err != nil || len(w.commands()) == 0 {
				t.Errorf("Stat used a listing from before %s: %v", name, err)
			}
		}
	})
}

// TestClear removes names in turn, and says of each what became of it, whether or not the
// commands travel together. A name that cannot be said is one that is refused.
func TestClear(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), oneByOne()} {
		p.Features = []string{"SIZE", "MDTM"} // no UTF8: names are in the charset
		many := func(s *ftptest.Server) {
			s.Personality = p
			for _, name := range []string{"A", "B", "C", "D/X", "E", "LONG"} {
				_ = s.Tree.WriteFile(name, nil, 0o644)
			}
			_ = s.Tree.MkdirAll("F")
		}
		runWith(t, shouting{}, many, func(t *testing.T, w *world) {
			list := []remote.Doomed{
				{Name: "ü", File: true}, {Name: "a", File: true}, {Name: "ö", File: true}, {Name: "aü", File: true}, {Name: "b", File: true},
				{Name: "d", Dir: true}, {Name: "e", File: true, Dir: true}, {Name: "f", File: true, Dir: true}, {Name: "d", File: true, Dir: true}, {Name: "c", File: true},
			}
			var got []string
			err := remote.Clear(w.ctx, w.Session, list, func(refusal error) {
				got = append(got, fmt.Sprint(list[len(got)].Name, ":", proto.ReplyOf(refusal).Code, refusal == nil))
			})
			want := []string{"ü:0 false", "a:0 true", "ö:550 false", "aü:0 false", "b:0 true", "d:550 false", "e:0 true", "f:0 true", "d:550 false", "c:0 true"}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v", p.Name, got, err)
			}
			for name, there := range map[string]bool{"A": false, "B": false, "C": false, "D/X": true, "E": false, "F": false, "LONG": true} {
				if _, err := w.srv.Tree.Stat(name); (err == nil) != there {
					t.Errorf("%s: %s: %v", p.Name, name, err)
				}
			}
		})
	}
}

// TestClearLost has the connection be lost in the middle, or the server take its leave:
// nothing is said of the names that follow.
func TestClearLost(t *testing.T) {
	for _, step := range []ftptest.Step{{On: "DELE", Nth: 2, Then: ftptest.Reset}, {On: "DELE", Nth: 2, Reply: "421 Bye.", Then: ftptest.Cut}} {
		run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{step} }, func(t *testing.T, w *world) {
			list := []remote.Doomed{{Name: "top", File: true}, {Name: "pub/file", File: true}, {Name: "pub/deep/file", File: true}}
			n := 0
			err := remote.Clear(w.ctx, w.Session, list, func(refusal error) {
				n++
				if refusal != nil {
					t.Error(refusal)
				}
			})
			if err == nil || n != 1 {
				t.Errorf("%+v: %v, after %d", step, err, n)
			}
		})
	}
}

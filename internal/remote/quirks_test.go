package remote_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// TestDotted keeps servers from taking the beginning of a name for something
// else.
func TestDotted(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		for name, want := range map[string]string{
			"": "", "a": "a", "a-b": "a-b", "-a": "./-a", "~a": "./~a", " a": "./ a", "\ta": "./\ta",
			"20200101000000 a": "./20200101000000 a", "20200101000000": "20200101000000", "2020 a": "2020 a",
		} {
			if got, err := w.Encode(name); got != want || err != nil {
				t.Errorf("Encode(%q) = %q, %v", name, got, err)
			}
		}
	})
}

// TestKept has servers that do not keep a name, in silence. That is an error.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		server, name, as string
		ok               bool
	}{
		{"cuts blanks off", "d ", "d", false},
		{"Pure-FTPd", "d\te", "d_e", false},
		{"ftp-srv", `q"d`, "qd", false},
		{"ftp-srv", `q\d`, "qd", false},
		{"reads UTF-8 as Latin-1", "ü", "Ã¼", false},
		{"keeps all", "d ", "d ", true},
		{"is not looked at", "d", "e", true},
	} {
		changed := func(s *ftptest.Server) {
			s.Personality.Features = []string{"SIZE", "MDTM"}
			s.Script = []ftptest.Step{{On: "MKD", As: "MKD " + c.as}}
		}
		run(t, changed, func(t *testing.T, w *world) {
			err := remote.Mkdir(w.ctx, w.Session, c.name)
			if c.ok != (err == nil) || err != nil && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("one that %s, %q: %v", c.server, c.name, err)
			}
		})
	}
}

// TestKeepsBytes looks once at names beyond ASCII.
func TestKeepsBytes(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality.Features = []string{} }, func(t *testing.T, w *world) {
		for i, name := range []string{"ä", "ö"} {
			if err := remote.Mkdir(w.ctx, w.Session, name); err != nil {
				t.Error(err)
			}
			if n := len(w.commands()); (n > 1) != (i == 0) {
				t.Errorf("Mkdir %q took %d commands", name, n)
			}
		}
	})
}

// TestChtimes tries each command that sets a time.
func TestChtimes(t *testing.T) {
	stamp := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	utime := []string{"SITE UTIME 20200203040506 top", "SITE UTIME top 20200203040506 20200203040506 20200203040506 UTC"}
	mdtm, mfmt := "MDTM 20200203040506 top", "MFMT 20200203040506 top"
	for _, c := range []struct {
		server string
		has    string // FEAT
		works  string // command
		sent   []string
		kind   error
	}{
		{"with MFMT", "MFMT", mfmt, []string{mfmt}, nil},
		{"vsftpd", "MDTM", mdtm, []string{mdtm}, nil},
		{"ProFTPD without mod_facts", "MDTM", utime[0], []string{mdtm, utime[0]}, nil},
		{"NcFTPd", "MDTM", utime[1], []string{mdtm, utime[0], utime[1]}, nil},
		{"with none", "MDTM", "", []string{mdtm, utime[0], utime[1]}, errors.ErrUnsupported},
		{"with a broken MFMT", "MFMT", mdtm, []string{mfmt, mdtm}, nil},
	} {
		last := len(c.sent)
		script := func(s *ftptest.Server) {
			s.Personality = ftptest.VSFTPD()
			s.Personality.Features = []string{c.has}
			for i, line := range c.sent {
				reply := "550 No."
				if i == last-1 && c.works != "" {
					reply = "213 Done."
				}
				verb, _, _ := strings.Cut(line, " ")
				nth := 1
				if verb == "SITE" && i > 0 && strings.HasPrefix(c.sent[i-1], "SITE") {
					nth = 2
				}
				s.Script = append(s.Script, ftptest.Step{On: verb, Nth: nth, Reply: reply})
			}
		}
		run(t, script, func(t *testing.T, w *world) {
			err := remote.Chtimes(w.ctx, w.Session, "top", stamp.In(time.FixedZone("", 3600)))
			checkKind(t, "a server "+c.server, err, c.kind)
			if sent := w.commands(); len(sent) < last || !slices.Equal(sent[:last], c.sent) {
				t.Errorf("a server %s: sent %q, want %q", c.server, sent, c.sent)
			}
		})
	}
}

// TestRMDAll lists a directory before it is removed, if the server may remove
// what is in it: unless that is to go too.
func TestRMDAll(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		for _, careful := range []bool{true, false} {
			goftp := func(s *ftptest.Server) {
				s.Personality = p
				s.Personality.Files.RMDAll = p.Name == "Plain"
			}
			run(t, goftp, func(t *testing.T, w *world) {
				err := remote.Remove(w.ctx, w.Session, "pub", careful)
				_, serr := w.srv.Tree.Stat("pub/file")
				if gone := errors.Is(serr, fs.ErrNotExist); gone != (p.Name == "Plain" && !careful) || gone != (err == nil) {
					t.Errorf("%s, careful %v: %v; gone: %v", p.Name, careful, err, gone)
				}
				if err != nil && !errors.Is(err, proto.ErrNotEmpty) {
					t.Errorf("%s: %v", p.Name, err)
				}
				if err := remote.Remove(w.ctx, w.Session, "empty", careful); err != nil {
					t.Errorf("%s, careful %v: an empty directory: %v", p.Name, careful, err)
				}
			})
		}
	}
}

// TestDashA finds out once whether LIST takes -a.
func TestDashA(t *testing.T) {
	for _, c := range []struct {
		p     ftptest.Personality
		knows proto.Finding
		line  string // of the second listing
	}{
		{ftptest.VSFTPD(), proto.Yes, "LIST -a"},
		{noOptions(), proto.No, "LIST"},
	} {
		run(t, func(s *ftptest.Server) { s.Personality = c.p }, func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile(".hidden", nil, 0o644); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				w.commands()
				list, err := w.List(w.ctx, "")
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := remote.Find(list, ".hidden"); !ok || len(list) != 4 {
					t.Errorf("%s: %v", c.p.Name, list)
				}
			}
			if sent := w.commands(); !slices.Equal(sent, []string{c.line}) || w.Server.Knows(remote.DashA) != c.knows {
				t.Errorf("%s: sent %q; takes -a: %v", c.p.Name, sent, w.Server.Knows(remote.DashA))
			}
		})
	}
}

// noOptions is a server that takes -a for a name.
func noOptions() ftptest.Personality {
	p := ftptest.Ancient()
	p.Listing.Options, p.Listing.ShowHidden = false, true
	return p
}

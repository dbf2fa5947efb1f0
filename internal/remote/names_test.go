package remote_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

func TestNames(t *testing.T) {
	for name, valid := range map[string]bool{
		".": true, "a": true, "a/b": true, "caf\xe9 \xff": true, " a ": true,
		"": false, "/x": false, "x/": false, "a//b": false, "../x": false, "./x": false, "a\nb": false, "a\rb": false, "a\x00b": false,
	} {
		if remote.ValidName(name) != valid {
			t.Errorf("ValidName(%q) = %v", name, !valid)
		}
	}
	for _, c := range []struct{ name, parent, base, last string }{
		{"", "", "", "."}, {"a", "", "a", "a"}, {"a/b", "a", "b", "b"}, {"a/b/c", "a/b", "c", "c"},
	} {
		parent, base := remote.Split(c.name)
		if parent != c.parent || base != c.base || remote.BaseName(c.name) != c.last {
			t.Errorf("Split(%q) = %q, %q; BaseName %q", c.name, parent, base, remote.BaseName(c.name))
		}
		if got := remote.Below(parent, base); got != c.name {
			t.Errorf("Below(%q, %q) = %q", parent, base, got)
		}
	}
	if remote.Slashed(".") != "" || remote.Slashed("a") != "a" {
		t.Error("Slashed")
	}
}

func TestPlainName(t *testing.T) {
	for name, plain := range map[string]bool{
		"": true, "a/b.txt": true, "a-b": true, "caf\xc3\xa9": true, "x+y,z=1@%": true,
		"-a": false, "a/-b": false, "a b": false, "a*": false, "[x]": false, "~x": false, `"`: false, "$x": false,
	} {
		if remote.PlainName(name) != plain {
			t.Errorf("PlainName(%q) = %v", name, !plain)
		}
	}
}

// shouting is a charset that has capitals on the wire, and no letter ü.
type shouting struct{}

// Encode translates to the wire.
func (shouting) Encode(name string) (string, error) {
	if strings.Contains(name, "ü") {
		return "", errors.New("no ü")
	}
	return strings.ToUpper(name), nil
}

// Decode translates from the wire.
func (shouting) Decode(wire string) (string, error) {
	return strings.ToLower(strings.ReplaceAll(wire, "BAD", "a/b")), nil
}

// TestCharset translates names both ways, unless the server speaks UTF-8.
func TestCharset(t *testing.T) {
	loud := func(s *ftptest.Server) {
		s.Personality = ftptest.Ancient()
		for _, name := range []string{"D/A", "D/B"} {
			_ = s.Tree.WriteFile(name, []byte(content), 0o644)
		}
	}
	runWith(t, shouting{}, loud, func(t *testing.T, w *world) {
		list, err := w.List(w.ctx, "d")
		if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
			t.Errorf("List: %v, %v", list, err)
		}
		if line, err := w.Line("DELE", "d/x"); line != "DELE D/X" || err != nil {
			t.Errorf("Line: %q, %v", line, err)
		}
		if _, err := w.List(w.ctx, "grün"); err == nil || len(w.commands()) > 4 {
			t.Errorf("List of what has no translation: %v", err)
		}
		if err := w.srv.Tree.WriteFile("D/BAD", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		list, err = w.List(w.ctx, "d")
		if unread := proto.Unread(err); unread.Count() != 1 || !strings.Contains(unread.Lines[0], "a/b") || names(list) != "a b" {
			t.Errorf("List with a name that is none: %q, %v", names(list), err)
		}
	})
	runWith(t, shouting{}, nil, func(t *testing.T, w *world) {
		if line, err := w.Line("DELE", "x"); line != "DELE x" || err != nil {
			t.Errorf("Line with UTF8 in FEAT: %q, %v", line, err)
		}
	})
}

// muteCharset has names that it cannot put on the wire.
type muteCharset struct{ shouting }

// Encode translates to the wire.
func (muteCharset) Encode(string) (string, error) { return "", fs.ErrInvalid }

// TestNamesThatCannotBeSaid has a charset without a form for a name: nothing is sent, in
// place of a command on something else.
func TestNamesThatCannotBeSaid(t *testing.T) {
	runWith(t, muteCharset{}, func(s *ftptest.Server) { s.Personality = ftptest.Ancient() }, func(t *testing.T, w *world) {
		before := len(ftpworld.Sent(w.srv))
		for name, do := range map[string]func() error{
			"delete": func() error { return remote.Remove(w.ctx, w.Session, "top", true) },
			"list":   func() error { _, err := w.List(w.ctx, "pub"); return err },
			"raw":    func() error { _, err := remote.ListRaw(w.ctx, w.Session, "pub"); return err },
			"mkdir":  func() error { return remote.Mkdir(w.ctx, w.Session, "new") },
			"rename": func() error { return remote.Rename(w.ctx, w.Session, "top", "new") },
			"read":   func() error { _, err := remote.Read(w.ctx, w.Session, "top", 0, -1); return err },
			"stat":   func() error { _, err := remote.Stat(w.ctx, w.Session, "pub/file", false); return err },
			"size":   func() error { _, err := remote.Size(w.ctx, w.Session, "top"); return err },
			"mark":   func() error { _, err := remote.MarkOf(w.ctx, w.Session, "top", true); return err },
			"time":   func() error { return remote.Chtimes(w.ctx, w.Session, "top", time.Now()) },
			"mode":   func() error { return remote.Chmod(w.ctx, w.Session, "top", 0o600) },
		} {
			if err := do(); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if sent := ftpworld.Sent(w.srv)[before:]; len(sent) > 0 {
			t.Errorf("sent: %q", sent)
		}
	})
}

// TestNotUTF8 has a server that names UTF8 in FEAT, and lists in the charset: that is
// found out once.
func TestNotUTF8(t *testing.T) {
	loud := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "OPTS", Reply: "200 UTF8 is on."}}
		_ = s.Tree.WriteFile("odd/\xe4", nil, 0o644)
	}
	runWith(t, ftpworld.Latin1{}, loud, func(t *testing.T, w *world) {
		for i := range 2 {
			w.commands()
			list, err := w.List(w.ctx, "odd")
			if err != nil || names(list) != "ä" {
				t.Errorf("%d: %q, %v", i, names(list), err)
			}
			if sent := w.commands(); len(sent) != 2-i {
				t.Errorf("%d: %q", i, sent)
			}
		}
	})
}

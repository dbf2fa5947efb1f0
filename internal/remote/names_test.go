package remote_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
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

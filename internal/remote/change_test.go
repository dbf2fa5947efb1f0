package remote_test

import (
	"errors"
	"fmt"
	"io/fs"
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
					{"Mkdir", w.Mkdir(w.ctx, "pub/new"), nil},
					{"Mkdir of what is there", w.Mkdir(w.ctx, "pub/new"), fs.ErrExist},
					{"Mkdir in what is not", w.Mkdir(w.ctx, "no/new"), fs.ErrNotExist},
					{"Mkdir in a file", w.Mkdir(w.ctx, "top/new"), proto.ErrNotDir},
					{"Rename", w.Rename(w.ctx, "pub/new", "pub/newer"), nil},
					{"Rename of nothing", w.Rename(w.ctx, "pub/new", "pub/newest"), fs.ErrNotExist},
					{"Rename into nothing", w.Rename(w.ctx, "top", "no/top"), fs.ErrNotExist},
					{"Chmod", w.Chmod(w.ctx, "top", fs.ModeSetgid|0o750), nil},
					{"Chmod of nothing", w.Chmod(w.ctx, "no", 0o750), fs.ErrNotExist},
					{"Remove of a directory", w.Remove(w.ctx, "pub/newer", true), nil},
					{"Remove of a file", w.Remove(w.ctx, "top", true), nil},
					{"Remove of nothing", w.Remove(w.ctx, "top", true), fs.ErrNotExist},
					{"Delete of nothing", w.Delete(w.ctx, "top"), nil},
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
		checkKind(t, "of nothing", w.Rename(w.ctx, "no", "new"), fs.ErrNotExist)
		checkKind(t, "over a file", w.Rename(w.ctx, "top", "pub/file"), fs.ErrExist)
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
			checkKind(t, "Chmod: "+c.reply, w.Chmod(w.ctx, "top", 0o700), c.chmod)
			checkKind(t, "Rename: "+c.reply, w.Rename(w.ctx, "top", "new"), c.other)
			if err := w.Remove(w.ctx, "top", true); proto.ReplyOf(err).Code == 0 {
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
			d, ok, err := w.Hash(w.ctx, "top")
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
		if _, err := w.Stat(w.ctx, "pub/file", true); err != nil || len(w.commands()) > 0 {
			t.Errorf("Stat did not use a listing of just now: %v", err)
		}
		for name, forget := range map[string]func(){
			"a change": w.Server.Changed,
			"age":      func() { time.Sleep(10 * remote.Fresh) },
		} {
			forget()
			if _, err := w.Stat(w.ctx, "pub/file", true); err != nil || len(w.commands()) == 0 {
				t.Errorf("Stat used a listing from before %s: %v", name, err)
			}
		}
	})
}

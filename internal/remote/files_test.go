package remote_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// TestRead reads from the beginning, and from the middle.
func TestRead(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		for _, off := range []int64{0, 3, 0} {
			tr, err := remote.Read(w.ctx, w.Session, "top", off, -1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(tr)
			if err != nil || string(got) != content[off:] {
				t.Errorf("from %d: %q, %v", off, got, err)
			}
			if err := tr.End(w.ctx, io.EOF); err != io.EOF {
				t.Errorf("End: %v", err)
			}
		}
	})
}

// TestReadRefused says what a refusal of RETR means.
func TestReadRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		off    int64
		script []ftptest.Step
		kind   error
	}{
		{"no", 0, nil, fs.ErrNotExist},
		{"pub", 0, nil, proto.ErrIsDir},
		{"top", 0, []ftptest.Step{{On: "RETR", Reply: "550 Failed to open file."}}, fs.ErrPermission},
		{"top", 0, []ftptest.Step{{On: "RETR", Reply: "500 Unknown command."}}, nil},
		{"top", 3, []ftptest.Step{{On: "REST", Reply: "502 Not implemented."}}, errors.ErrUnsupported},
		{"top", 3, []ftptest.Step{{On: "RETR", Reply: "451 Restart not permitted, try again"}}, errors.ErrUnsupported},
	} {
		run(t, func(s *ftptest.Server) { s.Script = c.script }, func(t *testing.T, w *world) {
			_, err := remote.Read(w.ctx, w.Session, c.name, c.off, -1)
			what := fmt.Sprintf("%s from %d, %v", c.name, c.off, c.script)
			checkKind(t, what, err, c.kind)
			if proto.ReplyOf(err).Code == 0 || errors.Is(err, proto.ErrNoRestart) != (c.off > 0) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
}

// TestWrite writes in each way.
func TestWrite(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		for _, c := range []struct {
			put  remote.Put
			data string // beyond Body
			want string
			verb string
		}{
			{remote.Put{Whole: true, Body: []byte("small")}, "", "small", "STOR new"},
			{remote.Put{Append: true}, " and more", "small and more", "APPE new"},
			{remote.Put{Offset: 6}, "but", "small but more", "STOR new"},
			{remote.Put{}, "other", "other", "STOR new"},
			{remote.Put{Whole: true}, "", "", "STOR new"},
		} {
			w.commands()
			tr, err := remote.Write(w.ctx, w.Session, "new", c.put)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(tr, c.data); c.data != "" && err != nil {
				t.Error(err)
			}
			if err := tr.End(w.ctx, nil); err != nil {
				t.Errorf("%+v: %v", c.put, err)
			}
			if got, _ := w.srv.Tree.ReadFile("new"); string(got) != c.want {
				t.Errorf("%+v: %q, want %q", c.put, got, c.want)
			}
			if n, err := remote.SizeBehind(w.ctx, w.Session, "new", tr); n != int64(len(c.want)) || err != nil {
				t.Errorf("%+v: size %d, %v", c.put, n, err)
			}
			if sent := w.commands(); !slices.Contains(sent, c.verb) {
				t.Errorf("%+v: sent %q", c.put, sent)
			}
		}
		if n, err := remote.SizeBehind(w.ctx, w.Session, "new", nil); n != 0 || err != nil {
			t.Errorf("without a transfer: %d, %v", n, err)
		}
	})
}

// TestNoSIZE learns that there is no SIZE, and does not ask for it again.
func TestNoSIZE(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.Ancient() }, func(t *testing.T, w *world) {
		for i := range 3 {
			w.commands()
			tr, err := remote.Write(w.ctx, w.Session, "new", remote.Put{Whole: true, Body: []byte("x")})
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.End(w.ctx, nil); err != nil {
				t.Error(err)
			}
			if n, err := remote.SizeBehind(w.ctx, w.Session, "new", tr); n != -1 || err != nil {
				t.Errorf("size %d, %v", n, err)
			}
			if sent := strings.Join(w.commands(), " "); i > 0 && strings.Contains(sent, "SIZE") {
				t.Errorf("sent %q", sent)
			}
		}
		if w.HasSIZE() {
			t.Error("there is a SIZE")
		}
	})
}

// oneByOne is a server that throws away what comes before the last command was
// answered.
func oneByOne() ftptest.Personality {
	p := ftptest.IIS()
	p.Control.Ahead = ftptest.FirstOnly
	return p
}

// TestQuickStat describes a file in one round trip, on servers on which that can
// be.
func TestQuickStat(t *testing.T) {
	for _, c := range []struct {
		p    ftptest.Personality
		name string
		ok   bool
		sent []string
	}{
		{ftptest.VSFTPD(), "pub/file", true, []string{"SIZE pub/file", "MDTM pub/file"}},
		{ftptest.VSFTPD(), "pub", false, []string{"SIZE pub", "MDTM pub"}},
		{ftptest.VSFTPD(), "no", false, []string{"SIZE no", "MDTM no"}},
		{ftptest.VSFTPD(), "top ", false, nil}, // taken for "top" by some
		{ftptest.VSFTPD(), "", false, nil},
		{oneByOne(), "top", true, []string{"SIZE top"}},
		{ftptest.Plain(), "top", false, nil},   // has MLST
		{ftptest.Ancient(), "top", false, nil}, // has no MDTM
	} {
		run(t, func(s *ftptest.Server) { s.Personality = c.p }, func(t *testing.T, w *world) {
			start := time.Now()
			e, ok, err := remote.QuickStat(w.ctx, w.Session.ForTransfer(), c.name)
			took := time.Since(start)
			if ok != c.ok || err != nil || ok && e.Size != int64(len(content)) {
				t.Errorf("%s, %q: %v, %v, %v", c.p.Name, c.name, e, ok, err)
			}
			if sent := w.commands(); !slices.Equal(sent, c.sent) || took > 50*time.Millisecond {
				t.Errorf("%s, %q: sent %q in %v", c.p.Name, c.name, sent, took)
			}
		})
	}
}

package stream

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

var update = flag.Bool("update", false, "write testdata/outcomes.txt")

// job is something that is done with "file", which has content, over one connection.
type job struct {
	name string
	do   func(w *world) (got []byte, err error) // got is what was read; nil if it writes
	want []byte                                 // what is read, or what "file" has afterwards
	dir  ftptest.Direction                      // of the data, as the server sees it
	mix  bool                                   // "file" may have something else when it fails
}

// jobs are the ways to read and to write; local is a file that has fresh.
func jobs(local string) []job {
	write := func(to Target, size int) func(w *world) ([]byte, error) {
		return func(w *world) ([]byte, error) {
			to.Name, to.Path, to.Total = "file", "file", -1
			out := w.files.Writer(to)
			_, err := out.Write(w.ctx, fresh[:size])
			if cerr := out.Close(w.ctx); err == nil {
				err = cerr
			}
			return nil, err
		}
	}
	placed := func(how string, size int) func(w *world) ([]byte, error) {
		return func(w *world) ([]byte, error) { return nil, w.write(how, fresh[:size]) }
	}
	added := append(bytes.Clone(content), fresh[:1000]...)
	read := func(w *world) ([]byte, error) {
		e := fileEntry(int64(len(content)))
		r := w.files.Reader(Source{Name: "file", Path: "file", Entry: e, Asked: true})
		defer r.Stop(w.ctx)
		return ReadAll(&through{r: r, ctx: w.ctx}, e.Size)
	}
	middle := func(w *world) ([]byte, error) {
		r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(-1)})
		defer r.Stop(w.ctx)
		got, err := ReadAll(&through{r: r, ctx: w.ctx, off: 150_000}, -1)
		return got, err
	}
	return []job{
		{"ReadFile", func(w *world) ([]byte, error) { return w.files.ReadFile(w.ctx, "file") }, content, ftptest.Sent, false},
		{"read", read, content, ftptest.Sent, false},
		{"read from the middle", middle, content[150_000:], ftptest.Sent, false},
		{"write, short", write(Target{}, 1000), fresh[:1000], ftptest.Received, true},
		{"write, long", write(Target{}, len(fresh)), fresh, ftptest.Received, true},
		{"write, new", write(Target{Ours: true}, 1000), fresh[:1000], ftptest.Received, true},
		{"append", write(Target{Append: true}, 1000), added, ftptest.Received, true},
		{"copy, long", func(w *world) ([]byte, error) {
			src, err := os.Open(local)
			if err != nil {
				return nil, err
			}
			defer src.Close()
			out := w.files.Writer(Target{Name: "file", Path: "file", Total: -1, Whole: true})
			_, err = out.ReadFrom(w.ctx, src)
			if cerr := out.Close(w.ctx); err == nil {
				err = cerr
			}
			return nil, err
		}, fresh, ftptest.Received, true},
		{"WriteFile, long", func(w *world) ([]byte, error) {
			return nil, w.files.WriteFile(w.ctx, Target{Name: "file", Path: "file"}, fresh)
		}, fresh, ftptest.Received, true},
		{"atomic, short", placed("atomic", 1000), fresh[:1000], ftptest.Received, false},
		{"atomic, long", placed("atomic", len(fresh)), fresh, ftptest.Received, false},
		{"upload, short", placed("upload", 1000), fresh[:1000], ftptest.Received, false},
		{"upload, long", placed("upload", len(fresh)), fresh, ftptest.Received, false},
	}
}

// through reads a Reader from an offset on.
type through struct {
	r   *Reader
	ctx context.Context
	off int64
}

// Read reads.
func (t *through) Read(p []byte) (int, error) {
	n, err := t.r.Read(t.ctx, p, t.off)
	t.off += int64(n)
	return n, err
}

// TestOutcomes has something go wrong with each command of each job, once and each
// time, and with its data, on two servers. What is nil is so, and nothing is left
// behind; what else comes of it is in testdata/outcomes.txt.
func TestOutcomes(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	var table ftpworld.Table
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, j := range jobs(local) {
			plain, commands := j.outcome(t, p, nil, nil)
			troubles := append(ftpworld.Troubles(commands), ftpworld.DataTroubles(j.dir, len(j.want))...)
			table.Job(p.Name+", "+j.name, plain, troubles, func(tr ftpworld.Trouble) string {
				what, _ := j.outcome(t, p, tr.Steps, tr.Faults)
				return what
			})
		}
	}
	table.Compare(t, filepath.Join("testdata", "outcomes.txt"), *update)
}

// kinds are what an error can be to its caller.
var kinds = []error{proto.ErrNoVerdict, proto.ErrMismatch, proto.ErrShort, proto.ErrChanged, proto.ErrMissing, fs.ErrPermission, fs.ErrExist, errors.ErrUnsupported, proto.ErrLost, proto.ErrSilent, io.ErrUnexpectedEOF}

// outcome does the job and returns what came of it and the commands it took. What must
// not come of it fails the test.
func (j job) outcome(t *testing.T, p ftptest.Personality, steps []ftptest.Step, faults []ftptest.Fault) (what string, commands []string) {
	s := setup{ftp: func(s *ftptest.Server) { s.Personality, s.Script, s.Faults = p, steps, faults }, proven: true}
	inWorld(t, s, func(t *testing.T, w *world) {
		if err := w.files.With(w.ctx, func(*remote.Session) error { return nil }); err != nil {
			t.Fatal(err)
		}
		got, err := j.do(w)
		commands = ftpworld.Sent(w.srv)
		what = ftpworld.Outcome(err, proto.ReplyOf(err).Code, kinds, commands)
		time.Sleep(time.Minute)
		w.names(t, "file")
		if _, rerr := w.srv.Tree.ReadFile("file"); rerr != nil {
			t.Errorf("the file is gone: %v", rerr)
		}
		j.judge(t, w, got, err)
		if t.Failed() {
			t.Logf("%s, %s: %v %v: %v", p.Name, j.name, steps, faults, err)
		}
	})
	return what, commands
}

// proven is what is remembered of a network on which EPSV has worked.
func proven() memory {
	key := proto.Key{Server: addr, Network: netip.MustParsePrefix("203.0.113.0/24")}
	return memory{key: {Mode: proto.EPSV, Source: "peer", Seen: time.Now()}}
}

// judge checks that what is nil is so, and that what is there is old or new.
func (j job) judge(t *testing.T, w *world, got []byte, err error) {
	t.Helper()
	has, rerr := w.srv.Tree.ReadFile("file")
	switch {
	case rerr != nil && err == nil:
		t.Errorf("the file is gone: %v", rerr)
	case err == nil && got != nil && !bytes.Equal(got, j.want):
		t.Errorf("%d bytes of %d were read, and nil", len(got), len(j.want))
	case err == nil && got == nil && !bytes.Equal(has, j.want):
		t.Errorf("the file has %d bytes of %d, and nil", len(has), len(j.want))
	case err != nil && !j.mix && !bytes.Equal(has, content) && !bytes.Equal(has, j.want):
		t.Errorf("the file has %d bytes, neither old nor new", len(has))
	}
}

package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// TestRefusedOnAndAnew has a server refuse an upload where it is to go on, and from its
// start as well: that is the end of it.
func TestRefusedOnAndAnew(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) {
		s.Personality, s.Faults = ftptest.Plain(), []ftptest.Fault{resetAt(1, 70_000)}
		s.Script = []ftptest.Step{{On: "REST", Reply: "502 No."}, {On: "APPE", Reply: "502 No."},
			{On: "STOR", Nth: 1, Preliminary: "150 Go on."}, {On: "STOR", Reply: "552 Full."}}
	}}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Minute)
		defer cancel()
		_, err := w.files.Upload(ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(fresh))
		if proto.ReplyOf(err).Code != 552 || w.sent("APPE") != 1 || w.sent("STOR") != 2 {
			t.Errorf("%v after %d times APPE and %d STOR", err, w.sent("APPE"), w.sent("STOR"))
		}
		w.has(t, "file", content)
		w.names(t, "file")
	})
}

// TestRestLentAtOnce has somebody want the connection of a short file that has come and
// is not read yet: no time is left to its reader, as it is where more is to come.
func TestRestLentAtOnce(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Early: true}} }}, func(t *testing.T, w *world) {
		if err := w.srv.Tree.WriteFile("short", content[:3000], 0o644); err != nil {
			t.Fatal(err)
		}
		took := func() time.Duration {
			start := time.Now()
			if err := w.look(w.ctx); err != nil {
				t.Error(err)
			}
			return time.Since(start)
		}
		r := w.files.Reader(Source{Name: "short", Path: "short", Entry: fileEntry(3000)})
		defer r.Stop(w.ctx)
		if n, err := r.Read(w.ctx, make([]byte, 1000), 0); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
		if beside, alone := took(), took(); beside > alone {
			t.Errorf("it took %v, and %v alone", beside, alone)
		}
	})
}

// TestOverAndUndecided has the context of a read end while the transfer is being ended
// for somebody else: that is what Read returns, and no verdict that is not there yet.
func TestOverAndUndecided(t *testing.T) {
	inWorld(t, scripted(ftptest.Step{On: "RETR", Nth: 1, Final: ftptest.None}), func(t *testing.T, w *world) {
		if err := w.srv.Tree.WriteFile("short", content[:3000], 0o644); err != nil {
			t.Fatal(err)
		}
		r := w.files.Reader(Source{Name: "short", Path: "short", Entry: fileEntry(3000)})
		defer r.Stop(w.ctx)
		if _, err := io.ReadFull(&through{r: r, ctx: w.ctx}, make([]byte, 3000)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- w.look(w.ctx) }()
		idle()
		ctx, cancel := context.WithTimeout(w.ctx, 500*time.Millisecond)
		defer cancel()
		if n, err := r.Read(ctx, make([]byte, 10), 3000); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// counting is a source that counts what is read.
type counting struct {
	*bytes.Reader
	n int
}

// Read reads.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// WriteTo is none of Reader's, which would not be counted.
func (c *counting) WriteTo(io.Writer) (int64, error) { panic("not called") }

// TestSourceReadOnce uploads what may be dear to read to a server that hashes: it is read
// once; and not at all if the context ends before it is known whether the server does.
func TestSourceReadOnce(t *testing.T) {
	for _, late := range []time.Duration{0, time.Minute} {
		for _, size := range []int{1000, len(fresh)} {
			inWorld(t, setup{proven: true, ftp: func(s *ftptest.Server) {
				s.Personality, s.Script = ftptest.Plain(), []ftptest.Step{{On: "FEAT", Delay: late}}
			}}, func(t *testing.T, w *world) {
				ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
				defer cancel()
				src, want := &counting{Reader: bytes.NewReader(fresh[:size])}, size
				if late > 0 {
					want = 0
				}
				_, err := w.files.Upload(ctx, Target{Name: "file", Path: "file"}, src)
				if src.n != want || (err == nil) != (late == 0) || errors.Is(err, context.DeadlineExceeded) != (late > 0) {
					t.Errorf("FEAT after %v: %d of %d bytes were read, %v", late, src.n, size, err)
				}
			})
		}
	}
}

// TestCopyToUnwritable copies to a local file that can be read and not be written.
func TestCopyToUnwritable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		local, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		r := w.reader(t)
		defer r.Stop(w.ctx)
		n, err := r.CopyTo(w.ctx, local, 0)
		if _, ok := errors.AsType[*os.PathError](err); n != 0 || !ok {
			t.Errorf("%d, %v", n, err)
		}
		if got, err := readAllOf(w.ctx, r, 0); err != nil || !bytes.Equal(got, content) {
			t.Errorf("and then %d bytes, %v", len(got), err)
		}
	})
}

// TestBeyondTheEnd has a Reader go on at or beyond the size that it knows of: what SIZE
// tells then, and what was handed on, decide whether anything is left.
func TestBeyondTheEnd(t *testing.T) {
	errNone := errors.New("none")
	for _, c := range []struct {
		told, off int64
		past      [2]int64 // from, and up to
		size      string   // in reply to SIZE
		want      error
	}{
		{100, 200, [2]int64{0, 200}, "550 No.", errNone},
		{100, 200, [2]int64{0, 200}, "213 199", proto.ErrChanged},
		{100, 200, [2]int64{0, 200}, "213 0", proto.ErrChanged},
		{100, 200, [2]int64{0, 200}, "213 200", io.EOF},
		{100, 200, [2]int64{0, 200}, "213 201", errNone},
		{100, 200, [2]int64{0, 100}, "213 199", io.EOF},
		{100, 200, [2]int64{200, 200}, "213 199", io.EOF},
		{100, 200, [2]int64{0, 100}, "550 No.", errNone},
		{200, 200, [2]int64{0, 200}, "550 No.", io.EOF},
		{200, 200, [2]int64{0, 100}, "213 201", errNone},
		{0, 0, [2]int64{0, 0}, "213 0", errNone}, // the server says that it is empty
	} {
		inWorld(t, scripted(ftptest.Step{On: "SIZE", Reply: c.size}), func(t *testing.T, w *world) {
			r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(c.told)})
			r.known = marked
			r.past.begin(c.past[0], false)
			r.past.took(content[c.past[0]:c.past[1]])
			err := w.files.With(w.ctx, func(s *remote.Session) error {
				tr, _, err := r.open(w.ctx, s, c.off)
				if err != nil {
					return err
				}
				tr.Abandon(w.ctx)
				return errNone
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%+v: %v", c, err)
			}
		})
	}
}

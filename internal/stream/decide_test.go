package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// TestOtherName decides whether a refusal may be for the dot of a temporary name.
func TestOtherName(t *testing.T) {
	said := func(code int) error { return proto.Refusal("STOR x", proto.Reply{Code: code, Lines: []string{"No."}}) }
	for _, c := range []struct {
		err   error
		known proto.Finding
		want  bool
	}{
		{said(501), proto.Unknown, true},
		{said(550), proto.Unknown, true},
		{said(551), proto.Unknown, true},
		{said(553), proto.Unknown, true},
		{said(552), proto.Unknown, false},
		{said(500), proto.Unknown, false},
		{said(450), proto.Unknown, false},
		{said(553), proto.Yes, false},
		{said(553), proto.No, false},
		{&proto.FSError{Kind: fs.ErrNotExist, Err: said(550)}, proto.Unknown, false},
		{&proto.FSError{Kind: proto.ErrNotDir, Err: said(550)}, proto.Unknown, false},
		{&proto.FSError{Kind: fs.ErrPermission, Err: said(550)}, proto.Unknown, true},
		{io.EOF, proto.Unknown, false},
	} {
		f := Files{Server: remote.NewServer(nil, time.UTC)}
		if c.known != proto.Unknown {
			f.Server.Learn(remote.DotNames, c.known == proto.Yes)
		}
		got := f.otherName("dir/file", c.err)
		if (got != "") != c.want || c.want && (len(got) < 5 || got[:4] != "dir/" || got[4] == '.') {
			t.Errorf("%v, known %v: %q", c.err, c.known, got)
		}
		f.took("dir/.x")
		if want := c.known; want == proto.Unknown && f.Server.Knows(remote.DotNames) != proto.Yes || want != proto.Unknown && f.Server.Knows(remote.DotNames) != want {
			t.Errorf("known %v, and then %v", want, f.Server.Knows(remote.DotNames))
		}
	}
}

// TestAtOnce decides whether an upload is sent again at once.
func TestAtOnce(t *testing.T) {
	wrong := fmt.Errorf("%w: x", proto.ErrMismatch)
	for _, c := range []struct {
		u    upload
		from int64
		err  error
		want bool
	}{
		{upload{}, 0, wrong, true},
		{upload{again: true}, 0, wrong, false},
		{upload{again: true}, 10, wrong, true},
		{upload{}, 0, io.ErrUnexpectedEOF, false},
		{upload{barred: true}, 10, io.ErrUnexpectedEOF, true},
		{upload{barred: true}, 0, io.ErrUnexpectedEOF, false},
		{upload{}, 10, io.ErrUnexpectedEOF, false},
	} {
		u := c.u
		got := u.atOnce(c.from, c.err)
		if got != c.want || u.whole != c.want || u.again != (c.u.again || c.want && c.err == wrong) {
			t.Errorf("%+v from %d, %v: %v, and then %v %v", c.u, c.from, c.err, got, u.whole, u.again)
		}
	}
}

// TestMaySettle decides what the server is asked for again.
func TestMaySettle(t *testing.T) {
	w := &Writer{n: 10}
	mark := func(n int64, refused bool) remote.Mark { return remote.Mark{Size: n, Refused: refused} }
	for _, c := range []struct {
		now  remote.Mark
		err  error
		want bool
	}{
		{mark(5, false), proto.ErrMismatch, true},
		{mark(10, false), proto.ErrNoVerdict, true},
		{mark(11, false), proto.ErrMismatch, false},
		{mark(0, false), errors.ErrUnsupported, true},
		{mark(-1, true), proto.ErrMismatch, true},
		{mark(-1, false), proto.ErrMismatch, false},
		{mark(5, false), nil, false},
		{mark(5, false), io.EOF, false},
	} {
		if w.maySettle(c.now, c.err) != c.want {
			t.Errorf("%+v, %v: %v", c.now, c.err, !c.want)
		}
	}
}

// TestBaseKnown finds out what was there before.
func TestBaseKnown(t *testing.T) {
	for _, c := range []struct {
		base    int64
		refused bool
		now     int64
		want    int64
	}{
		{-1, true, 0, 0},
		{-1, true, 10, 0},
		{-1, true, -1, -1},
		{-1, false, 10, -1},
		{7, true, 10, 7},
		{0, true, 10, 0},
	} {
		w := &Writer{base: c.base, before: remote.Mark{Refused: c.refused, Size: -1}}
		if got := w.from(remote.Mark{Size: c.now}); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// TestConfirmedSize has what came be as much as there is now, and not what was told.
func TestConfirmedSize(t *testing.T) {
	lost := &proto.LostError{Err: io.EOF}
	for _, c := range []struct {
		size, now int64
		want      bool
	}{{100, 100, true}, {-1, 100, true}, {90, 100, false}, {110, 100, false}, {100, 0, false}} {
		if err := confirmed(transfer.Part{To: 100, Size: c.size}, c.now, lost); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestAborted takes a data connection that fails behind one that worked for a transfer
// that was aborted, if the server says no more than that.
func TestAborted(t *testing.T) {
	cause := errors.New("x")
	w := &Writer{to: Target{Path: "file"}}
	for _, c := range []struct {
		proven bool
		codes  []int
		want   int // of the error; zero if it stays what it was
	}{
		{true, []int{425}, 425},
		{true, []int{426}, 426},
		{true, []int{550, 426}, 426},
		{true, []int{426, 550}, 0},
		{true, []int{0}, 0},
		{true, nil, 0},
		{false, []int{426}, 0},
	} {
		none := &proto.NegotiateError{Proven: c.proven}
		for _, code := range c.codes {
			none.Attempts = append(none.Attempts, proto.Attempt{Cause: proto.DataRefused, Reply: proto.Reply{Code: code}})
		}
		err := w.aborted(none, cause)
		if got := proto.ReplyOf(err).Code; got != c.want || (err == cause) != (c.want == 0) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	none := &proto.NegotiateError{Proven: true, Attempts: []proto.Attempt{{Reply: proto.Reply{Code: 425}}}}
	if err := w.aborted(none, proto.ErrNoVerdict); err != proto.ErrNoVerdict {
		t.Errorf("what is worth another try has become %v", err)
	}
}

// TestMost stops at what is too much, and reads what is just as much.
func TestMost(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 10_000)
	for _, c := range []struct {
		most int64
		err  error
	}{{9_999, errOverrun}, {10_000, nil}, {10_001, nil}, {0, errOverrun}} {
		for _, size := range []int64{0, 9_000, 10_000} {
			got, err := readUpTo(bytes.NewReader(data), size, c.most)
			if err != c.err || err == nil && !bytes.Equal(got, data) {
				t.Errorf("at most %d, said to be %d: %d bytes, %v", c.most, size, len(got), err)
			}
		}
	}
}

// TestPastBrief has all be compared once, and the end after a transfer that brought
// nothing: what is new ends that.
func TestPastBrief(t *testing.T) {
	var p past
	p.begin(0, true)
	p.took(content[:50_000])
	for _, c := range []struct {
		brief bool
		took  int
		want  int64
	}{{false, 0, 0}, {true, 0, 50_000 - overlap}, {true, 10, 0}, {false, 10, 0}} {
		q := p
		q.tail = bytes.Clone(p.tail)
		q.begin(0, true)
		q.took(content[:50_000])
		q.brief = c.brief
		q.took(content[50_000 : 50_000+c.took])
		if got := q.start(50_000+int64(c.took), true); got != c.want {
			t.Errorf("%+v: from %d", c, got)
		}
	}
	q := past{}
	q.begin(1000, true)
	q.took(content[:10])
	q.begin(1010, false)
	if q.from != 1000 || q.sum == nil {
		t.Error("what goes on where it ended is forgotten")
	}
	q.begin(500, false)
	if q.from != 500 || q.end != 500 || len(q.tail) != 0 || q.sum != nil {
		t.Errorf("from %d to %d, %d bytes are known of another place", q.from, q.end, len(q.tail))
	}
}

// TestMeter reports what moves, at most every so often, and the end in any case.
func TestMeter(t *testing.T) {
	for _, off := range []bool{false, true} {
		inWorld(t, setup{}, func(t *testing.T, _ *world) {
			n := 0
			ctx := trace.With(context.Background(), &trace.Hooks{Progress: func(trace.Progress) { n++ }})
			m := meter{off: off}
			m.begin()
			began := m.last
			time.Sleep(meterEvery / 2)
			m.begin()
			if m.last != began {
				t.Error("it has begun twice")
			}
			want := 0
			for _, c := range []struct {
				pause time.Duration
				end   bool
				want  int
			}{{0, false, 0}, {meterEvery/2 - 1, false, 0}, {1, false, 1}, {meterEvery - 1, false, 0}, {0, true, 1}, {meterEvery, false, 1}} {
				time.Sleep(c.pause)
				m.moved(ctx, trace.Progress{}, c.end)
				if want += c.want; !off && n != want || off && n != 0 {
					t.Errorf("off %v, after %+v: %d reports", off, c, n)
				}
			}
		})
	}
}

// TestRenameLost has the answer to whether a rename was carried out be refused, or lost
// for good: what was to be placed is not said to be so, as it is not.
func TestRenameLost(t *testing.T) {
	for _, how := range []string{"upload", "atomic"} {
		steps := []ftptest.Step{{On: "RNTO", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}}
		// All that is asked afterwards breaks, until there is no time left.
		for nth := 2; nth < 200; nth++ {
			steps = append(steps, ftptest.Step{On: "SIZE", Nth: nth, Reply: ftptest.None, Then: ftptest.Reset})
		}
		inWorld(t, scripted(steps...), func(t *testing.T, w *world) {
			err := w.write(how, fresh)
			if err == nil {
				w.has(t, "file", fresh)
			}
			if got, rerr := w.srv.Tree.ReadFile("file"); rerr != nil || !bytes.Equal(got, content) && !bytes.Equal(got, fresh) {
				t.Errorf("%s: the file has %d bytes: %v", how, len(got), rerr)
			}
		})
	}
}

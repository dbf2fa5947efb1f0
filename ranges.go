package ftpnat

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

const (
	// rangeLeast is the length that a range must have to be worth its commands.
	rangeLeast = 64 << 10
	// overlap is how far a range is read beyond its end, to be compared with
	// what the next one began with.
	overlap = 4 << 10
)

// ranged is a file that is fetched in ranges, each a job of the crew. It is
// taken for whole when
//
//   - no range was longer or shorter than it had to be: the last one ends by
//     the server's verdict, which a server that ignores REST, or cuts large
//     numbers short, does not give in its place;
//   - each range goes on with what the next one began with;
//   - the file has the size and time afterwards that it had before: those of
//     the listing, or the time of MDTM where the listing's is not to the second;
//   - the server's own hash, where it tells one, is that of what came.
//
// Where there is a doubt the file is fetched once more, in one stream.
type ranged struct {
	t    *fetch
	name string
	e    listing.Entry
	to   *landing
	ends []int64 // of the ranges; the first begins at zero

	pinned bool // the time in e is that of MDTM

	mu    sync.Mutex
	left  int      // ranges that are not done
	tails [][]byte // what was read beyond each range
	doubt error    // the first
	done  bool     // to is no more
	sum   int64    // bytes so far, for progress
	last  time.Time
}

// errDoubt says why ranges are not taken for a file.
var errDoubt = errors.New("the ranges do not make a file")

func inDoubt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDoubt, fmt.Sprintf(format, args...))
}

// splits reports whether a file is to be fetched in ranges.
func (t *fetch) splits(e listing.Entry) bool {
	over := t.fs.p.cfg.Dialer.SplitOver
	return over > 0 && e.Size >= max(over, 2*rangeLeast) && t.crew.most > 1
}

// ranges hands the ranges of a file to the crew. The last comes first, as it
// shows best what the server makes of REST.
func (t *fetch) ranges(name, to string, e listing.Entry) error {
	pinned, err := t.pin(name, &e)
	if err != nil {
		return err
	}
	l, err := t.begin(to, e)
	if err != nil {
		return err
	}
	n := min(int64(t.crew.most), e.Size/rangeLeast)
	s := &ranged{t: t, name: name, e: e, pinned: pinned, to: l, left: int(n), tails: make([][]byte, n)}
	for i := range n {
		s.ends = append(s.ends, e.Size/n*(i+1))
	}
	s.ends[n-1] = e.Size
	t.open = append(slices.DeleteFunc(t.open, (*ranged).over), s)
	for i := range int(n) {
		if err := t.crew.do(func() error { return s.part((i + int(n) - 1) % int(n)) }); err != nil {
			return err
		}
	}
	return nil
}

// pin asks for the time of a file where the listing did not tell it to the
// second: by that it is seen whether all ranges are of one file.
func (t *fetch) pin(name string, e *listing.Entry) (bool, error) {
	if isExact(*e) {
		return false, nil
	}
	err := t.fs.ask("fetch", name, func(ctx context.Context, ls *lease, at string) error { return ls.touched(ctx, at, e) })
	return err == nil && isExact(*e), err
}

// part is the job of one range. The one that is done last ends the file.
func (s *ranged) part(i int) error {
	err := s.doubted()
	if err == nil {
		err = s.read(i)
	}
	if err != nil && !isDoubt(err) {
		return err
	}
	s.mu.Lock()
	if s.doubt == nil {
		s.doubt = err
	}
	s.left--
	ready := s.left == 0
	s.mu.Unlock()
	if !ready {
		return nil
	}
	return s.finish()
}

func (s *ranged) doubted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt
}

// isDoubt reports whether one stream may do better than ranges.
func isDoubt(err error) bool {
	return errors.Is(err, errDoubt) || errors.Is(err, ErrChanged) || errors.Is(err, ErrShort) || verbOf(err) == "REST"
}

// read fetches a range, and looks at what follows it.
func (s *ranged) read(i int) error {
	in := s.t.fs.openEntry(s.name, s.e)
	defer in.Close()
	in.in.meter.off, in.in.pinned = true, s.pinned
	pos, end := int64(0), s.ends[i]
	if i > 0 {
		pos = s.ends[i-1]
	}
	if _, err := in.Seek(pos, io.SeekStart); err != nil {
		return err
	}
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for pos < end && s.doubted() == nil {
		n, err := in.Read((*buf)[:min(int64(len(*buf)), end-pos)])
		if err == io.EOF {
			return inDoubt("the file ends at byte %d of %d", pos, s.e.Size)
		}
		if err != nil {
			return err
		}
		if _, err := s.to.out.WriteAt((*buf)[:n], pos); err != nil {
			return s.t.fail(s.to.to, err)
		}
		pos += int64(n)
		s.moved(n)
	}
	return s.beyond(i, in)
}

// beyond reads what follows a range: the beginning of the next one, or the end
// of the file.
func (s *ranged) beyond(i int, in *File) error {
	if s.doubted() != nil {
		return nil
	}
	tail := make([]byte, min(overlap, max(s.e.Size-s.ends[i], 1)))
	n, err := io.ReadFull(in, tail)
	switch {
	case s.ends[i] == s.e.Size && err == io.EOF:
		return nil
	case s.ends[i] == s.e.Size && err == nil:
		return inDoubt("there is more than %d bytes", s.e.Size)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return inDoubt("the file ends at byte %d of %d", s.ends[i]+int64(n), s.e.Size)
	}
	s.tails[i] = tail
	return err
}

// moved tells of the progress.
func (s *ranged) moved(n int) {
	s.mu.Lock()
	s.sum += int64(n)
	sum, now := s.sum, time.Now()
	tell := s.sum == s.e.Size || now.Sub(s.last) >= meterEvery
	if tell {
		s.last = now
	}
	s.mu.Unlock()
	if tell {
		call(traceOf(s.t.fs.ctx).Progress, ProgressEvent{Name: s.name, Bytes: sum, Total: s.e.Size})
	}
}

// finish ends the file when all ranges are there.
func (s *ranged) finish() error {
	err := s.doubted()
	if err == nil {
		err = s.verify()
	}
	if err != nil && isDoubt(err) {
		call(traceOf(s.t.fs.ctx).Note, fmt.Sprintf("%s is fetched in one stream: %v", s.name, err))
		err = s.anew()
	}
	return s.end(err)
}

// end ends the use of the local file, once.
func (s *ranged) end(err error) error {
	s.mu.Lock()
	done := s.done
	s.done = true
	s.mu.Unlock()
	if done {
		return err
	}
	return s.to.end(err)
}

// over reports whether the local file is done with.
func (s *ranged) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// anew fetches the file in one stream.
func (s *ranged) anew() error {
	if err := s.to.rewind(); err != nil {
		return err
	}
	e := s.e
	if s.pinned {
		// It is asked for again.
		e.Precision, e.Absolute = listing.PrecisionNone, false
	}
	in := s.t.fs.openEntry(s.name, e)
	defer in.Close()
	return s.to.copy(in)
}

// verify compares the ranges with one another, and with what the server says.
func (s *ranged) verify() error {
	next := make([]byte, overlap)
	for i, tail := range s.tails[:len(s.tails)-1] {
		if _, err := s.to.out.ReadAt(next[:len(tail)], s.ends[i]); err != nil {
			return s.t.fail(s.to.to, err)
		}
		if !bytes.Equal(next[:len(tail)], tail) {
			return inDoubt("from byte %d on it is not the same twice", s.ends[i])
		}
	}
	var theirs digest
	var told bool
	err := s.t.fs.ask("fetch", s.name, func(ctx context.Context, ls *lease, at string) error {
		now, err := ls.stat(ctx, at, false)
		if err == nil && s.pinned {
			err = ls.touched(ctx, at, &now)
		}
		if err != nil {
			return err
		}
		if now.Size != s.e.Size || !sameTime(now, s.e) {
			return fmt.Errorf("%w: %d bytes of %v, and before %d bytes of %v", ErrChanged, now.Size, now.ModTime, s.e.Size, s.e.ModTime)
		}
		theirs, told, err = ls.digest(ctx, at)
		return err
	})
	if err != nil || !told {
		return err
	}
	ours := theirs.algorithm.make()
	if _, err := io.Copy(ours, io.NewSectionReader(s.to.out, 0, s.e.Size)); err != nil {
		return s.t.fail(s.to.to, err)
	}
	if sum := hex.EncodeToString(ours.Sum(nil)); !strings.EqualFold(sum, theirs.sum) {
		return inDoubt("its %s is %s, and by the server %s", theirs.algorithm.name, sum, theirs.sum)
	}
	return nil
}

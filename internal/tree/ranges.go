package tree

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

const (
	// minRange is the length in bytes that a range must have to be worth its
	// commands.
	minRange = 64 << 10
	// overlap is how far a range is read beyond its end, in bytes, to be
	// compared with the beginning of the next one.
	overlap = 4 << 10
	// progressEvery is how often Progress is called at most.
	progressEvery = 250 * time.Millisecond
)

// ranged is a file that is fetched in ranges, each a job of the workers. It is
// accepted as whole if
//
//   - no range was longer or shorter than it had to be: the last one ends by the
//     server's verdict, which a server that ignores REST, or cuts large numbers
//     short, does not give in its place;
//   - each range goes on with what the next one began with;
//   - the file has the size and time afterwards that it had before: those of the
//     listing, or the time of MDTM if that of the listing is not to the second;
//   - the server's own hash, if it reports one, is that of the bytes that came.
//
// If there is a doubt the file is fetched once more, in one stream.
type ranged struct {
	fetch *fetch
	name  string
	e     listing.Entry
	timed bool // the time in e is that of MDTM
	to    *landing
	ends  []int64 // of the ranges; the first begins at zero

	mu       sync.Mutex
	left     int       // number of ranges that are not done
	tails    [][]byte  // bytes that were read beyond each range
	doubt    error     // the first, or why the file cannot be read
	done     bool      // the local file is closed
	sum      int64     // bytes so far
	reported time.Time // time of the last report of progress
}

// errDoubt says why ranges are not accepted as a file.
var errDoubt = errors.New("the ranges do not make a file")

func inDoubt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDoubt, fmt.Sprintf(format, args...))
}

// isDoubt reports whether one stream may do better than ranges.
func isDoubt(err error) bool {
	return errors.Is(err, errDoubt) || errors.Is(err, proto.ErrChanged) || errors.Is(err, proto.ErrShort) || errors.Is(err, proto.ErrNoRestart)
}

// splits reports whether a file is to be fetched in ranges.
func (f *fetch) splits(e listing.Entry) bool {
	return f.splitOver > 0 && e.Size >= max(f.splitOver, 2*minRange) && f.most > 1
}

// ranges leaves the ranges of a file to the workers. The last comes first,
// because it shows best what the server makes of REST.
func (f *fetch) ranges(name string, at *place, to string, e listing.Entry) error {
	timed, err := f.timed(name, &e)
	if err != nil {
		return err
	}
	l, err := f.begin(at, to, e)
	if err != nil {
		return err
	}
	n := int(min(int64(f.most), e.Size/minRange))
	r := &ranged{fetch: f, name: name, e: e, timed: timed, to: l, left: n, tails: make([][]byte, n)}
	for i := range n {
		r.ends = append(r.ends, e.Size/int64(n)*int64(i+1))
	}
	r.ends[n-1] = e.Size
	f.open = append(slices.DeleteFunc(f.open, (*ranged).over), r)
	for i := range n {
		if err := f.do(func() error { return r.part((i + n - 1) % n) }); err != nil {
			return err
		}
	}
	return nil
}

// timed asks for the time of a file if the listing did not report it to the
// second: it shows whether all ranges are of one file. It reports whether there
// is one then.
func (f *fetch) timed(name string, e *listing.Entry) (bool, error) {
	if isExact(*e) {
		return false, nil
	}
	err := f.src.ModTime(f.ctx, name, e)
	return err == nil && isExact(*e), err
}

// isExact reports whether a time tells a file from one that took its place.
func isExact(e listing.Entry) bool {
	return e.Absolute && e.Precision >= listing.PrecisionSecond
}

// part is the job of one range. The one that is done last ends the file.
func (r *ranged) part(i int) error {
	err := r.doubted()
	if err == nil {
		err = r.read(i)
	}
	if err != nil && ends(err) {
		return err
	}
	if !r.parted(err) {
		return nil
	}
	return r.finish()
}

// parted records the end of a range, and reports whether it was the last.
func (r *ranged) parted(doubt error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doubt == nil {
		r.doubt = doubt
	}
	r.left--
	return r.left == 0
}

func (r *ranged) doubted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doubt
}

// read fetches a range, and what follows it.
func (r *ranged) read(i int) error {
	in, err := r.fetch.src.Open(r.fetch.ctx, r.name, Opening{Entry: &r.e, Timed: r.timed, Quiet: true})
	if err != nil {
		return err
	}
	defer in.Close()
	pos, end := int64(0), r.ends[i]
	if i > 0 {
		pos = r.ends[i-1]
	}
	if _, err := in.Seek(pos, io.SeekStart); err != nil {
		return err
	}
	buf := data.Buffer()
	defer data.Recycle(buf)
	for pos < end && r.doubted() == nil {
		n, err := in.Read((*buf)[:min(int64(len(*buf)), end-pos)])
		if err == io.EOF {
			return inDoubt("the file ends at byte %d of %d", pos, r.e.Size)
		}
		if err != nil {
			return err
		}
		if _, err := r.to.out.WriteAt((*buf)[:n], pos); err != nil {
			return r.to.localError(err)
		}
		pos += int64(n)
		r.moved(n)
	}
	return r.beyond(i, in)
}

// beyond reads what follows a range: the beginning of the next one, or the end
// of the file.
func (r *ranged) beyond(i int, in io.Reader) error {
	if r.doubted() != nil {
		return nil
	}
	end := r.ends[i]
	tail := make([]byte, min(overlap, max(r.e.Size-end, 1)))
	n, err := io.ReadFull(in, tail)
	switch {
	case end == r.e.Size && err == io.EOF:
		return nil
	case end == r.e.Size && err == nil:
		return inDoubt("there is more than %d bytes", r.e.Size)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return inDoubt("the file ends at byte %d of %d", end+int64(n), r.e.Size)
	}
	r.tails[i] = tail
	return err
}

// moved reports the progress, now and then.
func (r *ranged) moved(n int) {
	r.mu.Lock()
	r.sum += int64(n)
	sum, now := r.sum, time.Now()
	due := r.sum == r.e.Size || now.Sub(r.reported) >= progressEvery
	if due {
		r.reported = now
	}
	r.mu.Unlock()
	if due {
		trace.From(r.fetch.ctx).Progressed(trace.Progress{Name: r.name, Bytes: sum, Total: r.e.Size})
	}
}

// finish ends the file when all ranges are there.
func (r *ranged) finish() error {
	err := r.doubted()
	if err == nil {
		err = r.verify()
	}
	if err != nil && isDoubt(err) {
		trace.From(r.fetch.ctx).Notef("%s is fetched in one stream: %v", r.name, err)
		err = r.anew()
	}
	return r.end(err)
}

// end closes the local file, once.
func (r *ranged) end(err error) error {
	r.mu.Lock()
	done := r.done
	r.done = true
	r.mu.Unlock()
	if done {
		return err
	}
	return r.to.end(err)
}

// over reports whether the local file is closed.
func (r *ranged) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// anew fetches the file in one stream.
func (r *ranged) anew() error {
	if err := r.to.rewind(); err != nil {
		return err
	}
	e := r.e
	if r.timed {
		// The time is asked for again.
		e.Precision, e.Absolute = listing.PrecisionNone, false
	}
	in, err := r.fetch.src.Open(r.fetch.ctx, r.name, Opening{Entry: &e, Steady: true})
	if err != nil {
		return err
	}
	defer in.Close()
	return r.to.copy(in)
}

// verify compares the ranges with each other, and with what the server says.
func (r *ranged) verify() error {
	next := make([]byte, overlap)
	for i, tail := range r.tails[:len(r.tails)-1] {
		if _, err := r.to.out.ReadAt(next[:len(tail)], r.ends[i]); err != nil {
			return r.to.localError(err)
		}
		if !bytes.Equal(next[:len(tail)], tail) {
			return inDoubt("from byte %d on it is not the same twice", r.ends[i])
		}
	}
	theirs, err := r.fetch.src.Check(r.fetch.ctx, r.name, r.e, r.timed)
	if err != nil || theirs == nil {
		return err
	}
	ours := theirs.New()
	if _, err := io.Copy(ours, io.NewSectionReader(r.to.out, 0, r.e.Size)); err != nil {
		return r.to.localError(err)
	}
	if sum := hex.EncodeToString(ours.Sum(nil)); !strings.EqualFold(sum, theirs.Sum) {
		return inDoubt("its %s is %s, and by the server %s", theirs.Name, sum, theirs.Sum)
	}
	return nil
}

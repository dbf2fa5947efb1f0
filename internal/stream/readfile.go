package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// ReadFile reads a whole file by one command. An error that retry.Worth is of a
// transfer that broke: the file is read by a Reader then, which does not ask
// again for what has come.
func (f Files) ReadFile(ctx context.Context, path string) (content []byte, err error) {
	// What FEAT says does not matter before the transfer, which need not wait
	// for it.
	lease, err := f.Pool.Acquire(ctx)
	if err == nil {
		content, err = f.readFile(ctx, f.on(lease), path)
		lease.Release()
	}
	return content, proto.ContextError(ctx, err)
}

func (f Files) readFile(ctx context.Context, s *remote.Session, path string) ([]byte, error) {
	if path == "" {
		return nil, &proto.FSError{Kind: proto.ErrIsDir}
	}
	t, err := s.Read(ctx, path, 0)
	if err != nil {
		return nil, err
	}
	stop := t.Guard(ctx)
	size, told := t.Begun().Announced()
	most := blindMost
	if told {
		most = size + slack(size)
	} else {
		size = -1
	}
	content, err := readUpTo(t, max(size, int64(t.Buffered())), most)
	stop()
	if err == nil {
		err = io.EOF
	}
	if err == errOverrun {
		return nil, overrun(ctx, s, t, path)
	}
	switch err = t.End(ctx, err); {
	case err == io.EOF:
		return content, nil
	case errors.Is(err, proto.ErrChanged):
		// What came is not to be relied on. Perhaps it is when it is read again.
		return nil, errors.Join(proto.ErrShort, err)
	}
	return nil, err
}

// blindMost is how much of a file of no known size is read, in bytes, before the
// server is asked for its size.
const blindMost = int64(8 << 20)

// errOverrun says that more came than there should be.
var errOverrun = errors.New("there is no end to the file")

// overrun returns what it means that more has come than the 150 told, or much if
// that told nothing: ErrChanged if the server says so; else the file is to be read
// by a Reader, whose size is known.
func overrun(ctx context.Context, s *remote.Session, t *transfer.Transfer, path string) error {
	got := t.Count()
	t.Abandon(ctx)
	now, err := s.Size(ctx, path)
	switch {
	case err != nil:
		return err
	case now >= 0 && now < got:
		return fmt.Errorf("%w: %d bytes came, and there are %d", proto.ErrChanged, got, now)
	}
	return fmt.Errorf("%w: %w", proto.ErrShort, errOverrun)
}

// maxAhead bounds the memory that is taken for a file because the server says
// that it is large, in bytes.
const maxAhead = 1 << 20

// readAll reads r to its end, which is said to come after size bytes.
func readAll(r io.Reader, size int64) ([]byte, error) { return readUpTo(r, size, math.MaxInt64) }

// readUpTo is readAll that returns errOverrun once it has more than most bytes.
func readUpTo(r io.Reader, size, most int64) ([]byte, error) {
	// The end is seen by reading beyond it.
	want := size + bytes.MinRead
	buf := make([]byte, 0, min(want, maxAhead))
	for {
		if n := int64(len(buf)); n == int64(cap(buf)) {
			more := n
			if n < want {
				more = min(n, want-n)
			}
			buf = slices.Grow(buf, int(more))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err == nil && int64(len(buf)) > most:
			return nil, errOverrun
		}
		if err != nil {
			return buf, err
		}
	}
}

package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
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
	if !told {
		size = -1
	}
	content, err := readAll(t, max(size, int64(t.Buffered())))
	stop()
	if err == nil {
		err = io.EOF
	}
	unsigned := t.Unsigned()
	if err = t.End(ctx, err); err != io.EOF && !errors.Is(err, proto.ErrShort) {
		return nil, err
	}
	got := received{to: int64(len(content)), size: size, unsigned: unsigned}
	switch err = got.whole(func() (int64, error) { return s.Size(ctx, path) }); {
	case err == nil:
		return content, nil
	case errors.Is(err, proto.ErrShort):
		return nil, err
	}
	// What came is not to be relied on, whatever else is wrong.
	return nil, errors.Join(proto.ErrShort, err)
}

// maxAhead bounds the memory that is taken for a file because the server says
// that it is large, in bytes.
const maxAhead = 1 << 20

// readAll reads r to its end, which is said to come after size bytes.
func readAll(r io.Reader, size int64) ([]byte, error) {
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
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

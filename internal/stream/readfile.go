package stream

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	t, err := remote.Read(ctx, s, path, 0, -1)
	if err != nil {
		return nil, err
	}
	stop := t.Guard(ctx)
	size, most := t.Known(), blindMost
	if size >= 0 {
		most = size + slack(size)
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
	now, err := remote.Size(ctx, s, path)
	switch {
	case err != nil:
		return err
	case now >= 0 && now < got:
		return fmt.Errorf("%w: %d bytes came, and there are %d", proto.ErrChanged, got, now)
	}
	return fmt.Errorf("%w: %w", proto.ErrShort, errOverrun)
}

package ftpnat

import (
	"context"
	"io"
	"net"
	"os"
)

// spliceMost is how much crosses in one go on the kernel's path. Others wait
// for the connection no longer than that takes.
const spliceMost = 4 << 20

// splice copies a piece of the file at off to w: without a copy through this
// process where the data connection is a plain socket. An error of w is in
// werr.
func (s *stream) splice(ctx context.Context, w *os.File, off int64) (n int, err, werr error) {
	if s.end >= 0 && off >= s.end {
		return 0, io.EOF, nil
	}
	if err := s.ready(ctx, off); err != nil {
		return 0, err, nil
	}
	tcp, plain := s.ch.nc.(*net.TCPConn)
	if !plain || len(s.ch.head) > 0 || s.ch.eof || s.ch.err != nil {
		return s.copyPiece(ctx, w)
	}
	stop := s.ch.guard(ctx)
	s.ch.wind()
	lr := &io.LimitedReader{R: tcp, N: spliceMost}
	m, err := w.ReadFrom(lr)
	s.ch.n += m
	stop()
	switch {
	case err == nil && lr.N > 0:
		s.ch.eof, err = true, io.EOF
	case err != nil && !isNetwork(err):
		// What was read and not written is lost to this transfer.
		s.pos += m
		s.drop(err)
		return int(m), nil, err
	}
	n, err = s.took(ctx, int(m), err)
	return n, err, nil
}

// copyPiece is splice by way of memory.
func (s *stream) copyPiece(ctx context.Context, w *os.File) (n int, err, werr error) {
	buf := make([]byte, bulkSize)
	stop := s.ch.guard(ctx)
	n, err = s.ch.Read(buf)
	stop()
	if n, err = s.took(ctx, n, err); n > 0 {
		_, werr = w.Write(buf[:n])
	}
	return n, err, werr
}

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

// sendFile writes the rest of a file of the system.
func (s *sink) sendFile(ctx context.Context, r *os.File) (n int64, err error) {
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for {
		m, err := s.sendPiece(ctx, r, *buf)
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// sendPiece writes a piece, from the kernel's cache where the data connection
// is a plain socket, which it is not known to be before there is one.
func (s *sink) sendPiece(ctx context.Context, r *os.File, buf []byte) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	tcp := s.socket(ctx)
	if tcp == nil {
		n, err := r.Read(buf)
		if n > 0 {
			if m, werr := s.write(ctx, buf[:n]); werr != nil {
				return int64(m), werr
			}
			return int64(n), nil
		}
		return 0, err
	}
	stop := s.ch.guard(ctx)
	s.ch.wind()
	n, err := tcp.ReadFrom(io.LimitReader(r, spliceMost))
	stop()
	s.ch.n += n
	if err != nil && !isNetwork(err) && ctx.Err() == nil {
		s.n += n
		s.park()
		return n, err
	}
	if n == 0 && err == nil {
		s.park()
		return 0, io.EOF
	}
	m, err := s.sent(ctx, int(n), err)
	return int64(m), err
}

// socket returns the data connection, in use, where the kernel can be left to
// fill it; nil where there is none yet.
func (s *sink) socket(ctx context.Context) *net.TCPConn {
	if s.ls == nil {
		return nil
	}
	tcp, plain := s.ch.nc.(*net.TCPConn)
	if !plain {
		return nil
	}
	if ours, _ := s.ls.unpark(ctx); !ours {
		s.ls, s.ch = nil, nil
		return nil
	}
	return tcp
}

package ftpnat

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Large buffers for bulk data: with the 32 KiB of io.Copy a fast network costs
// twice the time in the kernel.
const bulkSize = 256 << 10

var bulk = sync.Pool{New: func() any { b := make([]byte, bulkSize); return &b }}

// pieceMost and pieceFor bound what the kernel moves to a file in one go:
// others wait for a connection no longer than that takes, and progress can be
// told.
const (
	pieceMost = 4 << 20
	pieceFor  = 250 * time.Millisecond
)

// moveTo hands a piece of what the server sends to w. A file gets it from the
// kernel, which moves the bytes itself. An error of w is in werr.
func (ch *channel) moveTo(w io.Writer, buf []byte) (n int64, err, werr error) {
	file, isFile := w.(*os.File)
	tcp, plain := ch.nc.(*net.TCPConn)
	if isFile && plain && len(ch.head) == 0 && !ch.eof && ch.err == nil && !ch.closed {
		return ch.splice(file, tcp)
	}
	m, err := ch.Read(buf)
	if m == 0 {
		return 0, err, nil
	}
	k, werr := w.Write(buf[:m])
	if werr == nil && k < m {
		werr = io.ErrShortWrite
	}
	return int64(k), err, werr
}

// writeTo hands all that the server sends to w. err is io.EOF at its end, and
// werr an error of w.
func (ch *channel) writeTo(w io.Writer) (n int64, err, werr error) {
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for err == nil && werr == nil {
		var m int64
		m, err, werr = ch.moveTo(w, *buf)
		n += m
	}
	return n, err, werr
}

// splice copies a piece from the socket to a file in the kernel.
func (ch *channel) splice(file *os.File, tcp *net.TCPConn) (n int64, err, werr error) {
	lr := &io.LimitedReader{R: tcp, N: pieceMost}
	n, err = ch.piece(func() (int64, error) {
		n, err := file.ReadFrom(lr)
		if err == nil && lr.N > 0 {
			err = io.EOF
		}
		return n, err
	})
	switch {
	case err == io.EOF:
		ch.eof = true
	case err != nil && isNetwork(err):
		ch.err = err
	case err != nil:
		return n, nil, err
	}
	return n, err, nil
}

// piece lets the kernel receive for a while. It has moved something when it
// returns without an error. The limit is on standing still, not on size.
func (ch *channel) piece(move func() (int64, error)) (n int64, err error) {
	for start := time.Now(); ; {
		ch.windFor(pieceFor)
		n, err = move()
		ch.n += n
		switch {
		case !isTimeout(err):
			return n, err
		case n > 0:
			return n, nil
		case ch.overdue() || time.Since(start) >= stall:
			return 0, ch.stalled(err)
		}
	}
}

// moveFrom sends a piece of what r has. A file goes from the kernel's cache to
// the socket. An error of r, its io.EOF too, is in rerr.
func (ch *channel) moveFrom(r io.Reader, buf []byte) (n int64, err, rerr error) {
	// Not a pipe: the socket's time would pass while one is read.
	file, isFile := regular(r)
	tcp, plain := ch.nc.(*net.TCPConn)
	if isFile && plain && !ch.closed {
		return ch.sendfile(tcp, file)
	}
	m, rerr := r.Read(buf)
	if m > 0 {
		m, err = ch.Write(buf[:m])
	}
	return int64(m), err, rerr
}

// readFrom sends all that r has. rerr is an error of r.
func (ch *channel) readFrom(r io.Reader) (err, rerr error) {
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for err == nil && rerr == nil {
		_, err, rerr = ch.moveFrom(r, *buf)
	}
	if rerr == io.EOF {
		rerr = nil
	}
	return err, rerr
}

// sendfile copies a piece from a file to the socket in the kernel. The piece is
// small, as not every system can tell how much has gone when the time is up.
func (ch *channel) sendfile(tcp *net.TCPConn, file *os.File) (n int64, err, rerr error) {
	ch.wind()
	n, err = tcp.ReadFrom(io.LimitReader(file, bulkSize))
	ch.n += n
	switch {
	case err != nil && isNetwork(err):
		return n, ch.stalled(err), nil
	case err != nil:
		return n, nil, err
	case n == 0:
		return 0, nil, io.EOF
	}
	return n, nil, nil
}

// isNetwork reports whether an error of a copy between a socket and a file is
// the socket's: the system reports either as coming from where the copy began.
func isNetwork(err error) bool {
	if isTimeout(err) || errors.Is(err, net.ErrClosed) {
		return true
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		switch no {
		case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
			syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.ENOTCONN:
			return true
		}
	}
	var pe *fs.PathError
	return !errors.As(err, &pe)
}

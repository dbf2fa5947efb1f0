package ftpnat

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
)

// Large buffers for bulk data: with the 32 KiB of io.Copy a fast network costs
// twice the time in the kernel.
const bulkSize = 256 << 10

var bulk = sync.Pool{New: func() any { b := make([]byte, bulkSize); return &b }}

// writeTo hands all that the server sends to w. A file gets it from the
// kernel, which moves the bytes itself.
func (ch *channel) writeTo(w io.Writer) (n int64, err error) {
	_, toFile := w.(*os.File)
	tcp, plain := ch.nc.(*net.TCPConn)
	if toFile && plain {
		return ch.splice(w, tcp)
	}
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for {
		m, rerr := ch.Read(*buf)
		if m > 0 {
			k, werr := w.Write((*buf)[:m])
			n += int64(k)
			if werr == nil && k < m {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return n, &writerError{werr}
			}
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

// writerError is an error of the caller's writer, to tell it from one of the
// network.
type writerError struct{ err error }

func (e *writerError) Error() string { return e.err.Error() }
func (e *writerError) Unwrap() error { return e.err }

// splice copies from the socket to a file in the kernel. In pieces, so that
// the limit is on standing still and not on size.
func (ch *channel) splice(w io.Writer, tcp *net.TCPConn) (n int64, err error) {
	for len(ch.head) > 0 || ch.eof || ch.err != nil || ch.closed {
		// What Read has to say first.
		var small [4096]byte
		m, rerr := ch.Read(small[:])
		if m > 0 {
			k, werr := w.Write(small[:m])
			n += int64(k)
			if werr != nil {
				return n, &writerError{werr}
			}
		}
		if rerr != nil {
			return n, rerr
		}
	}
	for {
		ch.wind()
		m, err := io.Copy(w, io.LimitReader(tcp, bulkSize))
		n += m
		ch.n += m
		switch {
		case err != nil && isNetwork(err):
			ch.err = ch.stalled(err)
			return n, ch.err
		case err != nil:
			return n, &writerError{err}
		case m < bulkSize:
			ch.eof = true
			return n, io.EOF
		}
	}
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

// readFrom sends all that r has. A file goes from the kernel's cache to the
// socket. fromSource says that the error is one of r.
func (ch *channel) readFrom(r io.Reader) (fromSource bool, err error) {
	file, isFile := r.(*os.File)
	tcp, plain := ch.nc.(*net.TCPConn)
	if isFile && plain && !ch.closed {
		return ch.sendfile(tcp, file)
	}
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for {
		n, rerr := r.Read(*buf)
		if n > 0 {
			if _, err := ch.Write((*buf)[:n]); err != nil {
				return false, err
			}
		}
		if rerr == io.EOF {
			return false, nil
		}
		if rerr != nil {
			return true, rerr
		}
	}
}

func (ch *channel) sendfile(tcp *net.TCPConn, file *os.File) (fromSource bool, err error) {
	for {
		ch.wind()
		n, err := tcp.ReadFrom(io.LimitReader(file, bulkSize))
		ch.n += n
		switch {
		case err != nil && isNetwork(err):
			return false, ch.stalled(err)
		case err != nil:
			return true, err
		case n == 0:
			return false, nil
		}
	}
}

package ftpnat

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Large buffers for bulk data: with the 32 KiB of io.Copy a fast network costs
// twice the time in the kernel.
const bulkSize = 256 << 10

var bulk = sync.Pool{New: func() any { b := make([]byte, bulkSize); return &b }}

// pieceMost and pieceFor bound what the kernel moves in one go: others wait for
// a connection no longer than that takes, and progress can be told. It is the
// size that ends a piece where the network is never waited for.
const (
	pieceMost = 16 << 20
	pieceFor  = 250 * time.Millisecond
)

// errByHand says that the kernel does not move the bytes itself: there is no
// such call on the system, or not for this kind of file.
var errByHand = errors.New("the kernel does not copy between these")

// The standard library takes these for what is in them where the kernel copies.
// Where it would copy by itself, with small buffers, they say so instead.
type (
	kernelSocket struct{ *net.TCPConn }
	kernelFile   struct{ systemFile }
)

func (kernelSocket) Read([]byte) (int, error) { return 0, errByHand }
func (kernelFile) Read([]byte) (int, error)   { return 0, errByHand }

// moveTo hands a piece of what the server sends to w. A file gets it from the
// kernel, which moves the bytes itself. An error of w is in werr.
func (ch *channel) moveTo(w io.Writer, buf []byte) (n int64, err, werr error) {
	file, isFile := w.(*os.File)
	tcp, plain := ch.nc.(*net.TCPConn)
	if isFile && plain && !ch.byHand && len(ch.head) == 0 && !ch.eof && ch.err == nil && !ch.closed {
		n, err, werr = ch.splice(file, tcp)
		if werr == nil || !errors.Is(werr, errByHand) {
			return n, err, werr
		}
		ch.byHand = true
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
	lr := &io.LimitedReader{R: kernelSocket{tcp}, N: pieceMost}
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
	case errors.Is(err, errByHand):
		return n, nil, errByHand
	case err != nil && isNetwork(err):
		ch.err = err
	case err != nil:
		return n, nil, err
	}
	return n, err, nil
}

// piece lets the kernel move bytes for a while. Some were moved when it returns
// without an error, or it is the end of them. The limit is on standing still,
// not on size.
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

// moveFile sends a piece of a file of the system, from the kernel's cache to
// the socket where that can be. An error of the file, its io.EOF too, is in rerr.
func (ch *channel) moveFile(file systemFile, buf []byte) (n int64, err, rerr error) {
	tcp, plain := ch.nc.(*net.TCPConn)
	if plain && !ch.byHand && !ch.closed {
		n, err, rerr = ch.sendfile(tcp, file)
		if rerr != errByHand {
			return n, err, rerr
		}
		ch.byHand = true
	}
	return ch.moveFrom(file, buf)
}

// moveFrom sends a piece of what r has. An error of r, its io.EOF too, is in rerr.
func (ch *channel) moveFrom(r io.Reader, buf []byte) (n int64, err, rerr error) {
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
	// Not a pipe: the socket's time would pass while one is read.
	file, isFile := regular(r)
	for err == nil && rerr == nil {
		if isFile {
			_, err, rerr = ch.moveFile(file, *buf)
		} else {
			_, err, rerr = ch.moveFrom(r, *buf)
		}
	}
	if rerr == io.EOF {
		rerr = nil
	}
	return err, rerr
}

// tellsSent reports whether the system tells how much of a file has gone when
// the time is up.
const tellsSent = runtime.GOOS != "windows"

// sendfile copies a piece from a file to the socket in the kernel.
func (ch *channel) sendfile(tcp *net.TCPConn, file systemFile) (n int64, err, rerr error) {
	most, paced := int64(bulkSize), ch.whole
	if tellsSent {
		most, paced = pieceMost, ch.piece
	}
	n, err = paced(func() (int64, error) {
		return tcp.ReadFrom(&io.LimitedReader{R: kernelFile{file}, N: most})
	})
	switch {
	case errors.Is(err, errByHand):
		return n, nil, errByHand
	case err != nil && isNetwork(err):
		return n, err, nil
	case err != nil:
		return n, nil, err
	case n == 0:
		return 0, nil, io.EOF
	}
	return n, nil, nil
}

// whole lets the kernel send a piece that must not be broken off.
func (ch *channel) whole(move func() (int64, error)) (n int64, err error) {
	ch.wind()
	n, err = move()
	ch.n += n
	if err != nil {
		err = ch.stalled(err)
	}
	return n, err
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

package data

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// bufferSize is that of the buffers for bulk data: with the 32 KiB of io.Copy a
// fast network costs twice the time in the kernel.
const bufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// Buffer returns a buffer for bulk data, which Recycle takes back.
func Buffer() *[]byte { return buffers.Get().(*[]byte) }

// Recycle takes back a buffer that is not used any more.
func Recycle(b *[]byte) { buffers.Put(b) }

// pieceMost and pieceFor bound what the kernel moves in one go: others wait for
// a connection no longer than that takes, and progress can be reported. It is
// the size that ends a piece if the network is never waited for.
const (
	pieceMost = 16 << 20
	pieceFor  = 250 * time.Millisecond
)

// handMost is how many bytes of a download go through memory before the kernel is
// asked: most files have no more than came with the first read, and a pipe for them
// costs more than their bytes.
const handMost = headSize

// errByHand says that the kernel does not move the bytes itself: there is no
// such call on the system, or not for this kind of file.
var errByHand = errors.New("the kernel does not copy between these")

// systemFile is an *os.File, or what that becomes in io.Copy, which hides its
// WriteTo.
type systemFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}

// File is a regular file of the system, which the kernel can send by itself.
type File struct{ systemFile }

// Left returns how many bytes of the file are still to be read; -1 if that is not
// known.
func (f File) Left() int64 {
	info, err := f.Stat()
	if err != nil {
		return -1
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	return max(info.Size()-at, 0)
}

// Regular returns the regular file of the system that v is. Pipes and the like
// are none: what is at their other end may wait for this very connection.
func Regular(v any) (File, bool) {
	if file, ok := v.(File); ok {
		return file, true
	}
	file, ok := v.(systemFile)
	if !ok {
		return File{}, false
	}
	if _, plain := v.(*os.File); !plain && reflect.TypeOf(v).PkgPath() != "os" {
		// A file inside something that may have a Read of its own.
		return File{}, false
	}
	info, err := file.Stat()
	return File{file}, err == nil && info.Mode().IsRegular()
}

// The standard library recognizes these by what they embed if the kernel copies.
// If it would copy by itself, with small buffers, they say so instead.
type (
	kernelSocket struct{ *net.TCPConn }
	kernelFile   struct{ systemFile }
)

func (kernelSocket) Read([]byte) (int, error) { return 0, errByHand }
func (kernelFile) Read([]byte) (int, error)   { return 0, errByHand }

// CopyTo hands a piece of what the server sends to w, through buf or, if w is a
// file, in the kernel. err is that of Read, werr that of w.
func (c *Conn) CopyTo(w io.Writer, buf []byte) (n int64, err, werr error) {
	file, isFile := w.(*os.File)
	tcp, plain := c.nc.(*net.TCPConn)
	if isFile && plain && !c.byHand && c.n >= handMost && !c.eof && c.err == nil && !c.closed {
		n, err, werr = c.splice(file, tcp)
		if werr == nil || !errors.Is(werr, errByHand) {
			return n, err, werr
		}
		c.byHand = true
	}
	m, err := c.Read(buf)
	if m == 0 {
		return 0, err, nil
	}
	k, werr := w.Write(buf[:m])
	if werr == nil && k < m {
		werr = io.ErrShortWrite
	}
	return int64(k), err, werr
}

// CopyAllTo hands all that the server sends to w. err is io.EOF at the end, and
// werr that of w.
func (c *Conn) CopyAllTo(w io.Writer) (n int64, err, werr error) {
	buf := Buffer()
	defer Recycle(buf)
	for err == nil && werr == nil {
		var m int64
		m, err, werr = c.CopyTo(w, *buf)
		n += m
	}
	return n, err, werr
}

// splice copies a piece from the socket to a file in the kernel.
func (c *Conn) splice(file *os.File, tcp *net.TCPConn) (n int64, err, werr error) {
	lr := &io.LimitedReader{R: kernelSocket{tcp}, N: pieceMost}
	n, err = c.piece(func() (int64, error) {
		n, err := file.ReadFrom(lr)
		if err == nil && lr.N > 0 {
			err = io.EOF
		}
		return n, err
	})
	switch {
	case err == io.EOF:
		c.eof = true
	case errors.Is(err, errByHand):
		return n, nil, errByHand
	case err != nil && isNetwork(err):
		c.err = err
	case err != nil:
		return n, nil, err
	}
	return n, err, nil
}

// piece lets the kernel move bytes for a while. Some were moved if it returns
// without an error, or it is the end of them. The limit is on standing still,
// not on size.
func (c *Conn) piece(move func() (int64, error)) (n int64, err error) {
	for start := time.Now(); ; {
		c.windFor(pieceFor)
		n, err = move()
		c.n += n
		switch {
		case !proto.IsTimeout(err):
			return n, err
		case n > 0:
			return n, nil
		case c.overdue() || time.Since(start) >= Stall:
			return 0, c.stalled(err)
		}
	}
}

// CopyFrom sends a piece of what r has, through buf or, if r is a [File], from
// the kernel's cache. err is that of Write, rerr that of r, its io.EOF too.
func (c *Conn) CopyFrom(r io.Reader, buf []byte) (n int64, err, rerr error) {
	file, isFile := r.(File)
	tcp, plain := c.nc.(*net.TCPConn)
	if isFile && plain && !c.byHand && !c.closed {
		n, err, rerr = c.sendfile(tcp, file)
		if rerr != errByHand {
			return n, err, rerr
		}
		c.byHand = true
	}
	m, rerr := r.Read(buf)
	if m > 0 {
		m, err = c.Write(buf[:m])
	}
	return int64(m), err, rerr
}

// CopyAllFrom sends all that r has. rerr is that of r.
func (c *Conn) CopyAllFrom(r io.Reader) (err, rerr error) {
	buf := Buffer()
	defer Recycle(buf)
	// Not a pipe: the socket's time would pass while one is read.
	if file, ok := Regular(r); ok {
		r = file
	}
	for err == nil && rerr == nil {
		_, err, rerr = c.CopyFrom(r, *buf)
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
func (c *Conn) sendfile(tcp *net.TCPConn, file systemFile) (n int64, err, rerr error) {
	most, paced := int64(bufferSize), c.whole
	if tellsSent {
		most, paced = pieceMost, c.piece
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
func (c *Conn) whole(move func() (int64, error)) (n int64, err error) {
	c.wind()
	n, err = move()
	c.n += n
	if err != nil {
		err = c.stalled(err)
	}
	return n, err
}

// isNetwork reports whether an error of a copy between a socket and a file is
// the socket's: the system reports either as coming from where the copy began.
func isNetwork(err error) bool {
	if proto.IsTimeout(err) || errors.Is(err, net.ErrClosed) {
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

package retry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
)

// Worth reports whether the same may succeed on another try at once: the
// connection broke, or the server gave a transient reply (RFC 959, 4.2.1) whose
// words do not say otherwise.
func Worth(err error) bool {
	if err == nil || err == io.EOF {
		return false // without the cost of what follows
	}
	var over *spent
	var reply *proto.Error
	var op *net.OpError
	var errno syscall.Errno
	var kind *proto.FSError
	var answer *proxy.Error
	var none *proto.NegotiateError
	switch {
	case givenUp(err), errors.Is(err, proto.ErrClosed), errors.As(err, &over):
		return false
	case errors.As(err, &kind):
		return false
	case errors.As(err, &none):
		// All modes were tried, the slow way too.
		return none.Temporary()
	case errors.As(err, &reply):
		return reply.Temporary()
	case errors.As(err, &answer):
		return answer.Later
	case proto.IsSilence(err), errors.Is(err, proto.ErrNoVerdict), errors.Is(err, proto.ErrShort), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, proxy.ErrClosed):
		return true
	}
	return errors.Is(err, proto.ErrLost) || errors.Is(err, proto.ErrUnreached) || errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// givenUp reports whether err is the end of a context.
func givenUp(err error) bool {
	var both *proto.Interrupted
	return errors.As(err, &both) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !proto.IsSilence(err)
}

// Later reports whether the same may succeed after a while, for callers who can
// wait longer than Do does.
func Later(err error) bool {
	var over *spent
	var reply *proto.Error
	var kind *proto.FSError
	var cert *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case errors.As(err, &over):
		return Later(over.error)
	case errors.As(err, &cert):
		return false
	case errors.As(err, &name):
		return !name.IsNotFound
	case errors.Is(err, proto.ErrBusy), errors.Is(err, proto.ErrUnreached):
		return true
	case errors.As(err, &kind), proto.IsNegotiate(err):
		return Worth(err)
	case errors.As(err, &reply):
		return !givenUp(err) && reply.Later()
	case errors.Is(err, proto.ErrChanged):
		return true
	}
	return Worth(err) && !local(err)
}

// local reports whether err is one of a file of this machine.
func local(err error) bool {
	var errno syscall.Errno
	var op *net.OpError
	var file *fs.PathError
	return errors.As(err, &file) && errors.As(file.Err, &errno) && !errors.As(err, &op) && !broke[errno]
}

// broke has the errors of a broken or missing connection.
var broke = map[syscall.Errno]bool{
	syscall.ECONNRESET: true, syscall.ECONNREFUSED: true, syscall.ECONNABORTED: true, syscall.EPIPE: true, syscall.ETIMEDOUT: true,
	syscall.EHOSTUNREACH: true, syscall.ENETUNREACH: true, syscall.ENETDOWN: true, syscall.ENETRESET: true,
}

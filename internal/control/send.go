package control

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Send writes one command and returns the call that its replies go to. When
// ctx has ended before, nothing is written and the connection is as good as
// it was.
func (c *Conn) Send(ctx context.Context, line string) (*Call, error) {
	call := c.newCall(line)
	return call, c.send(ctx, call)
}

// sendLast is Send for a command after whose positive reply the connection
// turns into another.
func (c *Conn) sendLast(ctx context.Context, line string) (*Call, error) {
	call := c.newCall(line)
	call.last = true
	return call, c.send(ctx, call)
}

// newCall returns the call of a command that is to be sent.
func (c *Conn) newCall(line string) *Call {
	call := c.makeCall(line)
	return &call
}

func (c *Conn) makeCall(line string) Call {
	return Call{Verb: Verb(line), line: line, conn: c, replies: c.channel(), secrets: proto.Secrets(line)}
}

// fleet has room for the calls of a transfer.
type fleet struct {
	calls [3]Call
	each  [3]*Call
}

// newCalls returns the calls of commands that are to be sent in one go.
func (c *Conn) newCalls(lines []string) []*Call {
	if len(lines) == 1 {
		return []*Call{c.newCall(lines[0])}
	}
	if f := new(fleet); len(lines) <= len(f.each) {
		for i, line := range lines {
			f.calls[i] = c.makeCall(line)
			f.each[i] = &f.calls[i]
		}
		return f.each[:len(lines)]
	}
	calls := make([]*Call, len(lines))
	for i, line := range lines {
		calls[i] = c.newCall(line)
	}
	return calls
}

// channel returns an empty channel for the replies to a call.
func (c *Conn) channel() chan proto.Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.spare)
	if n == 0 {
		return make(chan proto.Reply, maxReplies)
	}
	replies := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return replies
}

// send writes the commands of the calls in one go: most likely they share a TCP
// segment, and a server that reads all of it has them in its queue.
func (c *Conn) send(ctx context.Context, calls ...*Call) error {
	for _, call := range calls {
		if err := CheckCommand(call.line); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	text := c.text[:0]
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	now := time.Now()
	var secrets []string
	for _, call := range calls {
		call.sent = now
		c.pending = append(c.pending, call)
		if len(call.secrets) > 0 {
			c.secrets, secrets = call.secrets, call.secrets
		}
		// Where a reply too many comes, this one gets that to the password.
		call.secrets = secrets
		text = appendTelnet(text, call.line)
	}
	c.mu.Unlock()

	c.text = text
	err := c.push(ctx, text)
	if ctx.Err() != nil {
		// Part of the line may be on its way: the connection is of no
		// more use to anybody.
		c.fail(context.Cause(ctx))
		return ctx.Err()
	}
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.hearOut()
		}
		c.fail(err)
		return c.Err()
	}
	return nil
}

// hearOut lets the reader take in what came before the other end closed, which
// may say why it did. The reader ends by itself then.
func (c *Conn) hearOut() {
	timer := time.NewTimer(lastWordsFor)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
	}
}

// push writes commands to the network, until ctx ends. One that waits there is
// rare, and to watch a context costs memory for each: on a socket, where a write
// can be broken off and gone on with, it is watched only when a command has
// waited.
func (c *Conn) push(ctx context.Context, b []byte) error {
	if _, socket := c.nc.(*net.TCPConn); socket {
		c.nc.SetWriteDeadline(time.Now().Add(promptly))
		n, err := c.nc.Write(b)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		b = b[n:]
	}
	c.nc.SetWriteDeadline(time.Now().Add(writeLimit))
	stop := context.AfterFunc(ctx, func() { c.nc.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := c.nc.Write(b)
	return err
}

// appendTelnet doubles the byte 0xFF, which begins a Telnet command (RFC 854)
// on servers that speak Telnet on the control connection, and ends the line.
func appendTelnet(b []byte, line string) []byte {
	for i := range len(line) {
		if line[i] == 0xff {
			b = append(b, 0xff)
		}
		b = append(b, line[i])
	}
	return append(b, '\r', '\n')
}

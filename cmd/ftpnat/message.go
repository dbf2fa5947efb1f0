package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/ftpnat/ftpnat"
)

// message is the line that says what went wrong.
func (a *app) message(err error, c code) string {
	var part *partialError
	var usage *usageError
	var parts []string
	switch {
	case errors.As(err, &usage):
		return oneLine(usage)
	case errors.As(err, &part):
		return oneLine(err)
	case c == codeInterrupted:
		parts = append(parts, "interrupted")
		if where := where(err); where != "" {
			parts = append([]string{where}, parts...)
		}
		return strings.Join(parts, ": ")
	}
	if where := where(err); where != "" {
		parts = append(parts, where)
	}
	if w := c.word(); w != "" {
		parts = append(parts, w)
	}
	if c == codeTimeout && a.maxTime > 0 && errors.Is(err, context.DeadlineExceeded) {
		return strings.Join(append(parts, fmt.Sprintf("not done within --max-time %v", a.maxTime)), ": ")
	}
	return strings.Join(append(parts, detail(err)), ": ")
}

// where is the file that an error is about.
func where(err error) string {
	var pe *fs.PathError
	var at *fileError
	var l *localError
	switch {
	case errors.As(err, &l) && errors.As(l.err, &pe):
		return printable(pe.Path)
	case errors.As(err, &at):
		return printable(at.name)
	case errors.As(err, &pe) && pe.Path != ".":
		return printable(pe.Path)
	}
	return ""
}

// fileError names the file of an error more closely than the library does.
type fileError struct {
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// at names the file of an error.
func at(t target, err error) error {
	if err == nil {
		return nil
	}
	return &fileError{t.String(), err}
}

// detail is what the other side said, or the system.
func detail(err error) string {
	var pe *fs.PathError
	var negotiate *ftpnat.NegotiateError
	var reply *ftpnat.ReplyError
	switch {
	case errors.As(err, &negotiate):
		return attempts(negotiate)
	case errors.As(err, &reply):
		return printable(fmt.Sprintf("the server answered %q to %s", reply.Reply.String(), reply.Command))
	case errors.As(err, &pe):
		return oneLine(pe.Err)
	}
	return network(err)
}

// network is an error of the network without the names that Go has for its
// layers.
func network(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var no syscall.Errno
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return printable(dns.Name)
	case errors.As(err, &dns):
		return printable(dns.Name + ": the name server does not answer")
	case errors.As(err, &verify):
		return strings.TrimPrefix(oneLine(verify.Err), "x509: ")
	case errors.As(err, &op) && op.Op == "dial" && op.Addr != nil && errors.As(op.Err, &no):
		return printable(fmt.Sprintf("%v: %v", op.Addr, no))
	}
	return oneLine(err)
}

// attempts names what was tried, once each.
func attempts(e *ftpnat.NegotiateError) string {
	var list []string
	seen := make(map[string]bool)
	for _, at := range e.Attempts {
		if text := fmt.Sprintf("%v: %v", at.Mode, at.Cause); !seen[text] {
			seen[text] = true
			list = append(list, text)
		}
	}
	if e.Err != nil {
		list = append(list, oneLine(e.Err))
	}
	return strings.Join(list, "; ")
}

// oneLine returns an error's text on one line, without the library's name.
func oneLine(err error) string {
	text := strings.ReplaceAll(err.Error(), "ftpnat: ", "")
	return printable(strings.Join(strings.Fields(text), " "))
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

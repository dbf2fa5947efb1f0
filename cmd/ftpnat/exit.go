package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ftpnat/ftpnat"
)

// code is an exit code of the program: that of curl where curl has one.
type code int

const (
	codeOK          code = 0
	codeOther       code = 1
	codeUsage       code = 2
	codeURL         code = 3
	codeHost        code = 6
	codeConnect     code = 7
	codeAccess      code = 9
	codePartial     code = 18
	codeLocalWrite  code = 23
	codeRefused     code = 25
	codeLocalRead   code = 26
	codeTimeout     code = 28
	codeData        code = 30
	codeTLS         code = 35
	codeCertificate code = 60
	codeNoTLS       code = 64
	codeLogin       code = 67
	codeFull        code = 70
	codeExists      code = 73
	codeNotFound    code = 78
	codeInterrupted code = 130
)

// codes is the table: what each code means, for the help and for messages.
var codes = []struct {
	code code
	word string // begins a message; empty where the error says it all
	help string
}{
	{codeOK, "", "all was done"},
	{codeOther, "", "an error that none of the others describes"},
	{codeUsage, "", "the command line cannot be followed"},
	{codeURL, "", "the URL cannot be read"},
	{codeHost, "no such host", "the server's name is not known"},
	{codeConnect, "cannot connect", "no connection to the server, or it was lost and cannot be had again"},
	{codeAccess, "not permitted", "the login may not do that with the file or directory"},
	{codePartial, "not complete", "a transfer or a tree is not complete"},
	{codeLocalWrite, "cannot write", "a local file cannot be written"},
	{codeRefused, "refused", "the server refused an upload or another change"},
	{codeLocalRead, "cannot read", "a local file cannot be read"},
	{codeTimeout, "timed out", "a time limit has passed, or nothing answered"},
	{codeData, "no data connection", "no data connection in any mode: ftpnat probe says why"},
	{codeTLS, "TLS failed", "TLS could not be agreed on"},
	{codeCertificate, "certificate not trusted", "the server's certificate is not trusted"},
	{codeNoTLS, "no TLS", "TLS was asked for and the server does not offer it"},
	{codeLogin, "login refused", "the server did not accept the user or the password"},
	{codeFull, "disk full", "there is no space on the server, or a quota is used up"},
	{codeExists, "exists already", "there is a file of that name"},
	{codeNotFound, "not found", "there is no such file or directory on the server"},
	{codeInterrupted, "interrupted", "Ctrl-C, or the signal TERM"},
}

func (c code) word() string {
	for _, row := range codes {
		if row.code == c {
			return row.word
		}
	}
	return ""
}

// exitCodesTopic is "ftpnat help exit-codes".
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes, those of curl where it has one:\n")
	for _, row := range codes {
		fmt.Fprintf(&b, "\n%5d  %s", row.code, row.help)
	}
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes of all commands", Long: b.String()}
}

// localError is an error of the local file system, which is not to be taken for
// the server's.
type localError struct {
	err   error
	write bool
}

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func localRead(err error) error  { return local(err, false) }
func localWrite(err error) error { return local(err, true) }

func local(err error, write bool) error {
	if err == nil {
		return nil
	}
	return &localError{err, write}
}

// codeOf returns the exit code for an error.
func codeOf(err error) code {
	for _, kind := range []func(error) code{ownCode, localCode, tlsCode, transferCode, fileCode, replyCode, networkCode} {
		if c := kind(err); c != codeOK {
			return c
		}
	}
	return codeOther
}

func ownCode(err error) code {
	var usage *usageError
	var bad *urlError
	var part *partialError
	switch {
	case errors.As(err, &usage):
		return codeUsage
	case errors.As(err, &bad):
		return codeURL
	case errors.As(err, &part):
		return codePartial
	case errors.Is(err, context.Canceled):
		return codeInterrupted
	}
	return codeOK
}

func localCode(err error) code {
	var l *localError
	switch {
	case !errors.As(err, &l):
		return codeOK
	case l.write:
		return codeLocalWrite
	}
	return codeLocalRead
}

func tlsCode(err error) code {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid):
		return codeCertificate
	case errors.As(err, &header), errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		return codeTLS
	}
	return codeOK
}

func transferCode(err error) code {
	var negotiate *ftpnat.NegotiateError
	var unread *ftpnat.ListingError
	switch {
	case errors.As(err, &negotiate):
		if negotiate.Timeout() {
			return codeTimeout
		}
		return codeData
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ftpnat.ErrStalled):
		return codeTimeout
	case errors.Is(err, ftpnat.ErrShort), errors.Is(err, ftpnat.ErrNoVerdict), errors.Is(err, ftpnat.ErrTruncated),
		errors.Is(err, ftpnat.ErrChanged), errors.Is(err, ftpnat.ErrMismatch),
		errors.As(err, &unread):
		return codePartial
	}
	return codeOK
}

// fileCode is for what a file's state comes to. A login that was refused is no
// file's.
func fileCode(err error) code {
	if isLogin(err) {
		return codeLogin
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return codeNotFound
	case errors.Is(err, fs.ErrPermission):
		return codeAccess
	case errors.Is(err, fs.ErrExist):
		return codeExists
	}
	return codeOK
}

func isLogin(err error) bool {
	var r *ftpnat.ReplyError
	if !errors.As(err, &r) {
		return false
	}
	atLogin := isCommand(r, "USER") || isCommand(r, "PASS") || isCommand(r, "ACCT") || isCommand(r, "login")
	switch r.Reply.Code {
	case 530, 532:
		return true
	case 421:
		return atLogin && wantsTLS.MatchString(r.Reply.Text())
	case 120:
		return false
	}
	return atLogin
}

func isCommand(r *ftpnat.ReplyError, verb string) bool {
	word, _, _ := strings.Cut(r.Command, " ")
	return strings.EqualFold(word, verb)
}

func replyCode(err error) code {
	var r *ftpnat.ReplyError
	if !errors.As(err, &r) {
		return codeOK
	}
	switch {
	case isCommand(r, "AUTH"):
		return codeNoTLS
	case r.Reply.Code == 452 || r.Reply.Code == 552:
		return codeFull
	case r.Reply.Code == 421 || r.Reply.Code == 120:
		return codeConnect
	case r.Reply.Code == 426 || r.Reply.Code == 451:
		return codePartial
	}
	return codeRefused
}

func networkCode(err error) code {
	var dns *net.DNSError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns) && !dns.IsTimeout:
		return codeHost
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, ftpnat.ErrNoReply):
		return codeTimeout
	case errors.As(err, &op), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNREFUSED), isEOF(err):
		return codeConnect
	}
	return codeOK
}

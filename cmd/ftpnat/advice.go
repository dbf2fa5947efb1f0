package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"

	"github.com/ftpnat/ftpnat"
)

// report writes what went wrong in one line, what to do about it in the lines
// after, and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		a.hintClear()
		return int(codeOK)
	}
	c := codeOf(err)
	switch {
	case ctx.Err() != nil:
		c = codeInterrupted
	case c == codeOther && a.watch.silentServer():
		c = codeTimeout
	}
	var said *saidError
	if errors.As(err, &said) {
		return int(c)
	}
	a.say("%s", a.message(err, c))
	for _, line := range a.advice(err, c) {
		fmt.Fprint(a.err, wrap(printable(line), "  "))
	}
	return int(c)
}

// hintClear says where a password was sent in clear text for no reason.
func (a *app) hintClear() {
	if s := a.inTheClear(); s != nil {
		a.warn("the password for %s went over the network in clear text, and the server offers TLS: %s", printable(s.login.user), useTLS(s.target))
	}
}

// useTLS says how to log in under TLS.
func useTLS(t target) string {
	t.scheme = "ftpes"
	return fmt.Sprintf("write %s, or add --tls.", t)
}

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
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return printable(dns.Name)
	case errors.As(err, &dns):
		return printable(dns.Name + ": the name server does not answer")
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

// advice says what a person can do, in the words of the command line.
func (a *app) advice(err error, c code) []string {
	var negotiate *ftpnat.NegotiateError
	switch {
	case c == codeUsage && a.command != nil:
		return []string{fmt.Sprintf("%s --help shows how.", a.command.CommandPath())}
	case c == codeUsage:
		return []string{"ftpnat --help shows the commands, and ftpnat COMMAND --help how each is used."}
	case errors.As(err, &negotiate) && c != codeInterrupted:
		return append(a.inWords(negotiate.Advice()), a.probeAdvice()...)
	case c == codeInterrupted || c == codePartial:
		return a.goOn()
	case c == codeConnect || c == codeTimeout || c == codeOther || c == codeTLS:
		return a.connectAdvice(c)
	case c == codeLogin:
		return a.loginAdvice()
	}
	return a.plainAdvice(err, c)
}

// plainAdvice is for the codes that say all there is to know.
func (a *app) plainAdvice(err error, c code) []string {
	s := a.lastSession()
	switch c {
	case codeHost:
		return []string{"Check the spelling of the server's name, and that this machine is online."}
	case codeCertificate:
		return []string{"If the certificate is your own, give it with --ca-file FILE. --insecure accepts any, and with it anybody on the way."}
	case codeNoTLS:
		return []string{"The server has no TLS at this port. Try ftps://, which is TLS from the first byte at port 990; or use ftp:// without --tls, which sends the password in clear text."}
	case codeNotFound:
		return a.notFoundAdvice(err, s)
	case codeAccess:
		return []string{"The server's administrator decides what this login may do. Another one is chosen by --user NAME."}
	case codeExists:
		return []string{"Choose another name, or remove what is there first."}
	case codeRefused:
		return a.refusedAdvice()
	case codeFull:
		return []string{"Make room on the server, or ask its administrator for more."}
	}
	return nil
}

// refusedAdvice is for refusals that do not say why.
func (a *app) refusedAdvice() []string {
	switch a.verbName() {
	case "put", "mkdir", "mv", "mirror":
		return []string{"This login may not be allowed to write there: try another directory, or --user NAME."}
	case "rm":
		return []string{"This login may not be allowed to remove it: --user NAME chooses another one."}
	}
	return nil
}

// notFoundAdvice says how to see what there is, or how to make what is missing.
func (a *app) notFoundAdvice(err error, s *session) []string {
	parent := parentOf(err, s)
	var link *os.LinkError
	switch {
	case a.verbName() == "":
	case errors.As(err, &link) && s != nil:
		t := s.target
		t.setName(path.Dir(link.Old))
		return []string{typed("ls", t.String()) + " shows what is there; the new name needs a directory that exists, too."}
	case a.verbName() == "put", a.verbName() == "mkdir":
		if parent != "" {
			return []string{typed("mkdir", "-p", parent) + " makes the directory if that is what is missing."}
		}
	default:
		if parent != "" {
			return []string{typed("ls", parent) + " shows what is there."}
		}
	}
	return nil
}

// parentOf is the directory of a file that does not exist.
func parentOf(err error, s *session) string {
	var pe *fs.PathError
	if s == nil || !errors.As(err, &pe) || pe.Path == "." {
		return ""
	}
	t := s.target
	t.setName(path.Dir(pe.Path))
	return t.String()
}

func (a *app) lastSession() *session {
	if len(a.sessions) == 0 {
		return nil
	}
	return a.sessions[len(a.sessions)-1]
}

// goOn says what the same command does when it is given again.
func (a *app) goOn() []string {
	if a.streamed {
		return []string{"Nothing half done has been left under its name. What was on standard input has to be sent again from its start."}
	}
	switch a.verbName() {
	case "get", "mirror", "put":
		const whole = "Nothing half done has been left under its name."
		note := "What is complete is not copied again" + a.partNote() + "."
		if a.again != "" {
			return []string{whole, a.again + " goes on, with the flags of this command.", note}
		}
		return []string{whole + " The same command, given again, goes on. " + note}
	}
	return nil
}

// partNote is what becomes of a file that was under way.
func (a *app) partNote() string {
	if a.up {
		return fmt.Sprintf(", and a file of more than %s goes on where it stopped if the server allows that", bytesText(partLeast))
	}
	return ", and a download goes on where it stopped"
}

// verbName is the command's name.
func (a *app) verbName() string {
	if a.command == nil {
		return ""
	}
	return a.command.Name()
}

// connectAdvice is for connections that cannot be had, or not for long.
func (a *app) connectAdvice(c code) []string {
	s := a.lastSession()
	if s == nil {
		return nil
	}
	list := silentAdvice(s.target, a.watch.silentServer())
	switch {
	case len(list) > 0:
	case c == codeConnect:
		list = append(list, fmt.Sprintf("Check that an FTP server runs at %s, and that no firewall is in the way.", s.target.addr()))
	case c == codeTimeout && a.maxTime > 0:
		list = append(list, "A larger --max-time gives it more time.")
	case c == codeTimeout:
		list = append(list, "A larger --connect-timeout gives it more time.")
	default:
		return nil
	}
	if a.verbName() == "probe" {
		return list
	}
	return append(list, a.probeAdvice()...)
}

// silentAdvice is for servers that take a connection and say nothing: they wait
// for TLS to begin.
func silentAdvice(t target, silent bool) []string {
	if t.scheme == "ftps" {
		if silent {
			return []string{"The server does not speak TLS from the first byte: try ftpes://, which begins in clear text and then changes to TLS."}
		}
		return nil
	}
	implicit := t
	implicit.scheme = "ftps"
	switch {
	case t.port() == "990":
		return []string{fmt.Sprintf("Port 990 speaks TLS from the first byte, and no greeting comes without it: use %s", implicit)}
	case silent:
		return []string{fmt.Sprintf("The server took the connection and said nothing. If it speaks TLS from the first byte, as at port 990, use %s", implicit)}
	}
	return nil
}

// probeAdvice leads to the doctor.
func (a *app) probeAdvice() []string {
	s := a.lastSession()
	if s == nil {
		return nil
	}
	t := s.target
	t.setPath("")
	return []string{typed("probe", "--html", "report.html", t.String()) + " writes a page for whoever runs the firewall."}
}

// loginAdvice says where the login came from and how to give another one.
func (a *app) loginAdvice() []string {
	s := a.lastSession()
	if s == nil {
		return nil
	}
	if s.login.source == "" {
		return []string{"The login was anonymous. Add --user NAME; the password is asked for, or taken from ~/.netrc, FTPNAT_PASSWORD or --password-file."}
	}
	return []string{fmt.Sprintf("The user was %s, and the password came from %s. --user and --password-file give others.", s.login.user, s.login.source)}
}

// flagWords turn the library's advice into the command's.
var flagWords = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`A Dialer\.Memory that outlives the program saves that; so does Dialer\.Modes = \{(\w+)\}\.`), "It is remembered for the next time; --modes $1 saves it even then."},
	{regexp.MustCompile(`(?i)(\bleave) Dialer\.Modes empty`), "$1 out --modes"},
	{regexp.MustCompile(`set Dialer\.TrustDataAddr to a function that allows it`), "allow it with --trust-data-addr"},
	{regexp.MustCompile(`let Dialer\.TrustDataAddr allow it`), "allow it with --trust-data-addr"},
	{regexp.MustCompile(`(set |or )*Dialer\.Mapper`), "${1}--map"},
	{regexp.MustCompile(`set --map`), "add --map"},
	{regexp.MustCompile(`Dialer\.PublicAddr`), "--public-addr"},
	{regexp.MustCompile(`Dialer\.ListenPorts`), "--listen-ports"},
	{regexp.MustCompile(`Dialer\.Modes`), "--modes"},
	{regexp.MustCompile(`Dialer\.TrustDataAddr`), "--trust-data-addr"},
	{regexp.MustCompile(`Dialer\.AttemptTimeout`), "--connect-timeout"},
	{regexp.MustCompile(`Dialer\.ProxyURL`), "--proxy"},
	{regexp.MustCompile(`Dialer\.RetryFor`), "--retry-for"},
	{regexp.MustCompile(`Dialer\.ClearData`), "--clear-data"},
	{regexp.MustCompile(`Dialer\.TLSConfig`), "--tls"},
}

// inWords returns the library's advice in the words of the command line. That
// --modes can be left out is no advice to somebody who did not give it.
func (a *app) inWords(list []string) []string {
	list = inFlags(list)
	if len(a.modes) > 0 {
		return list
	}
	for i, text := range list {
		list[i] = strings.TrimSuffix(text, " Let ftpnat use the other modes (leave out --modes).")
	}
	return list
}

// inFlags puts the names of flags in the place of those of fields.
func inFlags(list []string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		for _, w := range flagWords {
			text = w.from.ReplaceAllString(text, w.to)
		}
		out[i] = text
	}
	return out
}

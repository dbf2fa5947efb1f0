package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

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
	a.explain(err, c)
	return int(c)
}

// explain says what went wrong, and what to do.
func (a *app) explain(err error, c code) {
	a.say("%s", a.message(err, c))
	for _, line := range a.advice(err, c) {
		if line = printable(line); strings.HasPrefix(line, "ftpnat ") {
			fmt.Fprintln(a.err, "  "+line) // a command can be copied
			continue
		}
		fmt.Fprint(a.err, wrap(line, "  "))
	}
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
		return a.connectAdvice(err, c)
	case c == codeLogin:
		return a.loginAdvice(err)
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
	case s != nil && strings.ContainsAny(base(err), "*?["):
		return []string{"Patterns are for find --name, and for --include of get, put and mirror; elsewhere a name is a name."}
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

// base is the last element of the name that an error is about.
func base(err error) string {
	var pe *fs.PathError
	if !errors.As(err, &pe) {
		return ""
	}
	return path.Base(pe.Path)
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
func (a *app) connectAdvice(err error, c code) []string {
	s := a.lastSession()
	var r *ftpnat.ReplyError
	if s == nil {
		return nil
	}
	list := silentAdvice(s.target, a.watch.silentServer())
	switch {
	case len(list) > 0:
	case errors.As(err, &r):
		return []string{"The server does not want this connection now: try again later, with a smaller --parallel if there is one, or ask its administrator."}
	case c == codeConnect:
		list = append(list, fmt.Sprintf("Check that an FTP server runs at %s, and that no firewall is in the way.", s.target.addr()))
	case c == codeTimeout && a.maxTime > 0:
		list = append(list, "A larger --max-time gives it more time.")
	case c == codeTimeout:
		list = append(list, "A larger --connect-timeout gives it more time.")
	default:
		return nil
	}
	switch {
	case a.verbName() == "probe":
		return list
	case a.watch.replied() && c == codeTimeout && a.maxTime > 0:
		return append(list, a.goOn()...) // nothing is in the way
	case a.watch.replied():
		list = append(list, a.goOn()...)
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

// wantsTLS finds what servers say to a login that is not under TLS.
var wantsTLS = regexp.MustCompile(`(?i)\b(TLS|SSL|encrypt\w*|clear ?text|non-?secure|insecure|secure (session|connection)s?)\b`)

// loginAdvice says where the login came from and how to give another one.
func (a *app) loginAdvice(err error) []string {
	s := a.lastSession()
	var r *ftpnat.ReplyError
	switch {
	case s == nil:
		return nil
	case !s.tls && errors.As(err, &r) && wantsTLS.MatchString(r.Reply.Text()):
		list := []string{"The server takes no login in clear text: " + useTLS(s.target)}
		if s.login.source != "" {
			list = append(list, "The password has crossed the network in clear text by now.")
		}
		return list
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

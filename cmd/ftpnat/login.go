package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-lfs/go-netrc/netrc"
)

// login is a user and a password, and where they came from.
type login struct {
	user, password string
	source         string // in words for a person; empty for an anonymous login
}

// findLogin returns the login for a server. The closest source counts: the URL,
// --password-file, FTPNAT_PASSWORD, ~/.netrc, and then whoever is at the
// terminal. Where none of them names a user the login is anonymous.
func (a *app) findLogin(ctx context.Context, t target) (login, error) {
	l := login{user: t.user}
	if l.user == "" {
		l.user = a.user
	}
	if t.known {
		l.password, l.source = t.password, "the URL"
		return l, nil
	}
	machine, err := a.netrc(t.hostname(), l.user)
	if err != nil {
		return l, err
	}
	if l.user == "" && machine != nil {
		l.user = machine.Login
	}
	if l.user == "" {
		if a.passwordFile != "" {
			return l, usagef("--password-file needs a user: add --user NAME, or write it in the URL")
		}
		return l, nil
	}
	switch {
	case a.passwordFile != "":
		l.source = "--password-file"
		l.password, err = a.readPassword()
	case a.getenv("FTPNAT_PASSWORD") != "":
		l.password, l.source = a.getenv("FTPNAT_PASSWORD"), "FTPNAT_PASSWORD"
	case machine != nil:
		l.password, l.source = machine.Password, a.netrcName()
	case strings.EqualFold(l.user, "anonymous") || strings.EqualFold(l.user, "ftp"):
	default:
		l.source = "the prompt"
		l.password, err = a.ask(ctx, fmt.Sprintf("Password for %s at %s: ", printable(l.user), printable(t.hostname())))
	}
	if errors.Is(err, errNoTerminal) {
		err = usagef("there is no password for %s at %s, and no terminal to ask at: put it into %s, FTPNAT_PASSWORD or a --password-file",
			l.user, t.hostname(), a.netrcName())
	}
	return l, err
}

// readPassword reads the first line of --password-file.
func (a *app) readPassword() (string, error) {
	src := a.in
	if a.passwordFile != "-" {
		f, err := os.Open(a.passwordFile)
		if err != nil {
			return "", localRead(err)
		}
		defer f.Close()
		src = f
	}
	line, err := bufio.NewReader(io.LimitReader(src, 4096)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", localRead(err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// netrcName is where the passwords of programs are kept.
func (a *app) netrcName() string {
	if name := a.getenv("NETRC"); name != "" {
		return name
	}
	return filepath.Join(a.home, ".netrc")
}

// netrc returns the entry for a host, and nil if there is none that fits.
func (a *app) netrc(host, user string) (*netrc.Machine, error) {
	if a.home == "" && a.getenv("NETRC") == "" {
		return nil, nil
	}
	n, err := netrc.ParseFile(a.netrcName())
	var bad *netrc.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.As(err, &bad):
		// The message may quote a word of the file.
		return nil, usagef("%s cannot be read: line %d is not in its form", a.netrcName(), bad.LineNum)
	case err != nil:
		return nil, localRead(err)
	}
	m := n.FindMachine(host, user)
	if m == nil || m.Password == "" && m.Login == "" || user != "" && m.Login != "" && m.Login != user {
		return nil, nil
	}
	return m, nil
}

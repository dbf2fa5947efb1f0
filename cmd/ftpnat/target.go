package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// target is a file or directory of a server, as an argument names it.
type target struct {
	scheme   string // ftp, ftpes or ftps
	host     string // with a port if one was given
	user     string
	password string
	known    bool   // a password was given, which may be empty
	absolute bool   // the path begins at the server's root, not at the login directory
	name     string // as package io/fs has it: "." for the start itself
	dir      bool   // the path ended in a slash
}

// urlError is an argument that does not name a file on a server.
type urlError struct{ text string }

func (e *urlError) Error() string { return e.text }

// badURL returns an error that does not repeat the argument, in which there may
// be a password.
func badURL(format string, args ...any) error { return &urlError{fmt.Sprintf(format, args...)} }

// hasScheme reports whether an argument is a URL.
func hasScheme(arg string) bool { return strings.Contains(arg, "://") }

// parseTarget reads a URL, or a server and a path without a scheme.
func parseTarget(arg string) (target, error) {
	if hasScheme(arg) {
		return parseURL(arg)
	}
	authority, rest, _ := strings.Cut(arg, "/")
	t := target{scheme: "ftp", host: authority}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		t.host = authority[i+1:]
		t.user, t.password, t.known = strings.Cut(authority[:i], ":")
	}
	if err := checkHost(t.host); err != nil {
		return target{}, err
	}
	// What is typed without a scheme is no URL: a % in it is a %.
	t.setPath(rest)
	return t, nil
}

func checkHost(host string) error {
	u, err := url.Parse("ftp://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || u.User != nil || strings.ContainsAny(host, "\\?#*") || host[0] == '.' {
		return badURL("this does not begin with the name of a server: write ftp://user@host/path, or host/path")
	}
	return nil
}

func parseURL(arg string) (target, error) {
	u, err := url.Parse(arg)
	if err != nil {
		var detail *url.Error
		if errors.As(err, &detail) {
			err = detail.Err
		}
		// The piece that is quoted may be the password.
		what, _, _ := strings.Cut(err.Error(), `"`)
		return target{}, badURL("the URL cannot be read: %s (in a user, password or path, write %% as %%25, / as %%2F, @ as %%40, : as %%3A)", strings.TrimSpace(what))
	}
	t := target{scheme: strings.ToLower(u.Scheme), host: u.Host, user: u.User.Username()}
	t.password, t.known = u.User.Password()
	switch {
	case t.scheme != "ftp" && t.scheme != "ftpes" && t.scheme != "ftps":
		return target{}, badURL("the scheme %q is not known: ftp://, ftpes:// (TLS by AUTH TLS) and ftps:// (TLS from the first byte) are", u.Scheme)
	case u.Hostname() == "":
		return target{}, badURL("the URL names no server: write %s://host/path", t.scheme)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return target{}, badURL("in a URL, write a ? as %%3F and a # as %%23; or leave out %s://", t.scheme)
	}
	raw := strings.TrimPrefix(u.EscapedPath(), "/")
	if len(raw) >= 3 && strings.EqualFold(raw[:3], "%2F") {
		raw = "/" + raw[3:]
	}
	name, err := url.PathUnescape(raw)
	if err != nil {
		return target{}, badURL("the path of the URL cannot be read: write a %% as %%25")
	}
	t.setPath(name)
	return t, nil
}

// setPath sets the path from what follows the host and a slash.
func (t *target) setPath(p string) {
	t.absolute = strings.HasPrefix(p, "/")
	t.dir = p == "" || strings.HasSuffix(p, "/")
	t.setName(p)
}

func (t *target) setName(p string) {
	t.name = strings.TrimPrefix(path.Clean("/"+p), "/")
	if t.name == "" {
		t.name = "."
	}
}

// join returns what is at a path below t.
func (t target) join(name string) target {
	t.setName(path.Join(t.name, name))
	t.dir = false
	return t
}

// base is the URL of the directory that name begins at, with no user in it.
func (t target) base() string {
	if t.absolute {
		return t.scheme + "://" + t.host + "/%2F"
	}
	return t.scheme + "://" + t.host + "/"
}

// String returns the URL as it may be shown: without a password.
func (t target) String() string {
	var b strings.Builder
	b.WriteString(t.scheme + "://")
	if t.user != "" {
		b.WriteString(url.User(t.user).String() + "@")
	}
	b.WriteString(t.host + "/")
	if t.absolute {
		b.WriteString("%2F")
	}
	if t.name != "." {
		b.WriteString((&url.URL{Path: t.name}).EscapedPath())
	}
	return b.String()
}

// hostname is the host without a port.
func (t target) hostname() string { return (&url.URL{Host: t.host}).Hostname() }

// port is the port that is dialled.
func (t target) port() string {
	if p := (&url.URL{Host: t.host}).Port(); p != "" {
		return p
	}
	if t.scheme == "ftps" {
		return "990"
	}
	return "21"
}

// addr is host:port.
func (t target) addr() string { return net.JoinHostPort(t.hostname(), t.port()) }

// sameServer reports whether both are files of one login.
func (t target) sameServer(o target) bool {
	return t.scheme == o.scheme && t.addr() == o.addr() && t.user == o.user && t.absolute == o.absolute
}

// looksLocal reports whether an argument can only be a local path.
func looksLocal(arg string) bool {
	if hasScheme(arg) {
		return false
	}
	for _, lead := range []string{".", "/", "~", `\`} {
		if strings.HasPrefix(arg, lead) {
			return true
		}
	}
	return len(arg) > 2 && arg[1] == ':' && (arg[2] == '\\' || arg[2] == '/')
}

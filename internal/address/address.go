// Package address takes the address or the URL of a server apart, and shows URLs
// without their passwords.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Server returns the server that an address names, as host:port, and its host. The
// default port is 21, or 990 with implicit TLS.
func Server(addr string, implicit bool) (server, host string, err error) {
	server = addr
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		port = "21"
		if implicit {
			port = "990"
		}
		server = net.JoinHostPort(strings.Trim(addr, "[]"), port)
	}
	host, _, err = net.SplitHostPort(server)
	if err != nil {
		return "", "", fmt.Errorf("ftpnat: server address %q: %w", addr, err)
	}
	if host == "" {
		return "", "", fmt.Errorf("ftpnat: server address %q has no host", addr)
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return "", "", fmt.Errorf("ftpnat: server address %q is neither host:port nor an IPv6 address", addr)
	}
	return server, host, nil
}

// URL is what a URL names.
type URL struct {
	Addr     string // host:port
	Implicit bool   // TLS from the first byte
	TLS      bool   // AUTH TLS
	User     *url.Userinfo
	Dir      string
}

// Parse takes a URL with the scheme ftp, ftpes or ftps apart; with implicit, ftp has
// implicit TLS too.
func Parse(rawURL string, implicit bool) (*URL, error) {
	u, err := url.Parse(rawURL)
	if err == nil && u.User == nil && (strings.Contains(u.Fragment, "@") || strings.Contains(u.RawQuery, "@")) {
		err = errUnescaped
	}
	if err != nil {
		return nil, fmt.Errorf("ftpnat: the URL cannot be read: %w", unreadable(rawURL, err))
	}
	port, explicit := "21", false
	switch strings.ToLower(u.Scheme) {
	case "ftp":
		if implicit {
			port = "990"
		}
	case "ftpes":
		explicit = true
	case "ftps":
		port, implicit = "990", true
	default:
		return nil, fmt.Errorf("ftpnat: the URL %s has the scheme %q: ftp, ftpes and ftps are known", Shown(u), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("ftpnat: the URL %s has no host", Shown(u))
	}
	if p := u.Port(); p != "" {
		port = p
	}
	dir := strings.TrimPrefix(u.EscapedPath(), "/")
	dir, _, _ = strings.Cut(dir, ";type=")
	dir, err = url.PathUnescape(dir)
	if err != nil {
		return nil, fmt.Errorf("ftpnat: the path of the URL %s: %w", u.Redacted(), err)
	}
	return &URL{net.JoinHostPort(u.Hostname(), port), implicit, explicit, u.User, dir}, nil
}

// errUnescaped says that a URL was cut where its password was to go on.
var errUnescaped = errors.New("there is an @ behind a # or ?")

// unreadable returns what is wrong with a URL, without what may be a password. One
// with a raw #, / or ? in the password ends there for net/url, which then takes
// what is ahead of it for a port.
func unreadable(rawURL string, err error) error {
	_, rest, _ := strings.Cut(rawURL, "://")
	if err != errUnescaped {
		err = Unreadable(err)
	}
	if cut := strings.IndexAny(rest, "/?#"); cut >= 0 && strings.Contains(rest[:cut], ":") && strings.Contains(rest[cut:], "@") {
		return fmt.Errorf("%w: a #, / or ? in the user or the password is written as %%23, %%2F or %%3F, or they are set as Dialer.User and Dialer.Password", err)
	}
	return err
}

// Shown returns a URL as it may be shown. One without the two slashes, as in
// joe:secret@host, is taken apart in another way by net/url, which does not see
// the password in it.
func Shown(u *url.URL) string {
	if u.Opaque != "" {
		return u.Scheme + ":..."
	}
	return u.Redacted()
}

// Unreadable returns what is wrong with a URL that url.Parse does not take. Its
// error repeats the URL, password and all, and quotes the piece that it stumbles
// over, which may be the password too.
func Unreadable(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	what, _, _ := strings.Cut(err.Error(), `"`)
	return errors.New(strings.TrimSpace(what))
}

package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
)

// options is what the command line says.
type options struct {
	json    bool
	timeout time.Duration
	mapping bool   // ask the router for ports
	addr    string // host:port of a real server; empty means to show the boxes
	dialer  ftpnat.Dialer
}

const usage = `usage: probe [-json]
       probe url [-json] [-proxy url] [-map] [-public addr] [-ports lo-hi] [-timeout d]

Says what is between this machine and an FTP server (ftp://user:password@host,
or ftpes, or ftps), which modes work, and what can be done where none does. The
server's files are not changed. Without a URL it shows what it finds behind
each kind of box, on networks of its own. Flags may also stand before the URL.

`

// parse reads the command line. The help that was asked for it has printed to
// stderr already.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	var proxy string
	f := flag.NewFlagSet("probe", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&proxy, "proxy", "", "go through the proxy at this `url`: socks5://host:port, or http://host:port")
	f.BoolVar(&o.mapping, "map", false, "ask the router for a port by UPnP, NAT-PMP or PCP, for active mode")
	f.TextVar(&o.dialer.PublicAddr, "public", netip.Addr{}, "the public `address` to name in active mode")
	f.Func("ports", "the `range` to listen on in active mode: 40000-40009", o.setPorts)
	f.DurationVar(&o.timeout, "timeout", 0, "how long it may take, such as 10s (at most 30s)")
	rest, err := parseAround(f, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (-help lists the flags)", err)
	case len(rest) > 1:
		return nil, fmt.Errorf("one URL can be probed, %d arguments were given", len(rest))
	case o.timeout < 0:
		return nil, fmt.Errorf("-timeout %v is not a time to wait", o.timeout)
	case len(rest) == 0:
		return o, needsURL(f)
	}
	if proxy != "" && o.mapping {
		return nil, errors.New("-map is for active mode, which does not go through a -proxy")
	}
	if proxy != "" {
		if o.dialer.ProxyURL, err = parseURL(proxy, "socks5", "http"); err != nil {
			return nil, fmt.Errorf("-proxy: %w", err)
		}
	}
	return o, o.setURL(rest[0])
}

// parseAround parses flags that may stand before, between and after the other
// arguments, and returns those. What follows "--" is no flag.
func parseAround(f *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		left := f.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if parsed := len(args) - len(left); parsed > 0 && args[parsed-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// needsURL finds flags that mean nothing without a URL.
func needsURL(f *flag.FlagSet) (err error) {
	f.Visit(func(fl *flag.Flag) {
		if fl.Name != "json" {
			err = fmt.Errorf("-%s is for a real server and needs a URL", fl.Name)
		}
	})
	return err
}

// parseURL reads a URL of one of the schemes. The errors do not repeat it: it
// may have a password in it.
func parseURL(raw string, schemes ...string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		var detail *url.Error
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return nil, fmt.Errorf("the URL cannot be read: %w", err)
	}
	for _, s := range schemes {
		if u.Scheme == s && u.Hostname() != "" {
			return u, nil
		}
	}
	return nil, fmt.Errorf("the URL has to be of the form %s://user:password@host", strings.Join(schemes, ":// or "))
}

// setURL takes over the server of a URL and how to log in there.
func (o *options) setURL(raw string) error {
	u, err := parseURL(raw, "ftp", "ftpes", "ftps")
	if err != nil {
		return err
	}
	port := "21"
	switch u.Scheme {
	case "ftpes":
		o.dialer.TLSConfig = new(tls.Config)
	case "ftps":
		port = "990"
		o.dialer.ImplicitTLS = true
	}
	if p := u.Port(); p != "" {
		port = p
	}
	o.addr = net.JoinHostPort(u.Hostname(), port)
	o.dialer.User = u.User.Username()
	o.dialer.Password, _ = u.User.Password()
	return nil
}

func (o *options) setPorts(text string) error {
	lo, hi, _ := strings.Cut(text, "-")
	first, err := strconv.ParseUint(lo, 10, 16)
	if err != nil {
		return errors.New("want two ports, such as 40000-40009")
	}
	last, err := strconv.ParseUint(hi, 10, 16)
	if err != nil || first == 0 || last < first {
		return errors.New("want two ports, the smaller one first, such as 40000-40009")
	}
	o.dialer.ListenPorts = [2]uint16{uint16(first), uint16(last)}
	return nil
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ftpnat/ftpnat"
)

// flags are those that every command has.
type flags struct {
	user         string
	passwordFile string

	tls       bool
	insecure  bool
	caFile    string
	clearData bool

	modes      []string
	publicAddr string
	ports      string
	mapping    bool
	trust      []string
	proxy      string
	proxyEnv   bool

	connectTimeout time.Duration
	maxTime        time.Duration
	retryFor       time.Duration

	noMemory bool
	verbose  bool
	logJSON  bool
	quiet    bool
}

func (f *flags) add(p *pflag.FlagSet) {
	p.SortFlags = false
	p.StringVarP(&f.user, "user", "u", "", "log in as `name` (or write it in the URL)")
	p.StringVar(&f.passwordFile, "password-file", "", "read the password from the first line of `file`; - is standard input")
	p.BoolVar(&f.tls, "tls", false, "use AUTH TLS, as ftpes:// does, and never clear text")
	p.StringVar(&f.caFile, "ca-file", "", "trust the certificates in `file` (PEM) and no others")
	p.BoolVar(&f.insecure, "insecure", false, "accept any certificate: anybody on the way can read and change everything")
	p.BoolVar(&f.clearData, "clear-data", false, "leave the data connections in clear text under TLS (PROT C)")
	p.StringSliceVar(&f.modes, "modes", nil, "use these `modes` alone, in this order: EPSV, PASV, PORT, EPRT")
	p.StringVar(&f.publicAddr, "public-addr", "", "the public `address` of this machine, for active mode")
	p.StringVar(&f.ports, "listen-ports", "", "listen on this `range` of ports in active mode, such as 40000-40009")
	p.BoolVar(&f.mapping, "map", false, "ask the router for a port in active mode (PCP, NAT-PMP, UPnP)")
	p.StringSliceVar(&f.trust, "trust-data-addr", nil, "allow data connections with these `addresses` beside the server's own: an address, a network, or any")
	p.StringVar(&f.proxy, "proxy", "", "go through the proxy at this `URL`: socks5://host:port or http://host:port")
	p.BoolVar(&f.proxyEnv, "proxy-from-env", false, "go through the proxy that FTP_PROXY or ALL_PROXY names, unless NO_PROXY excepts the server")
	p.DurationVar(&f.connectTimeout, "connect-timeout", 0, "wait so long for one connection to open (15s if not given)")
	p.DurationVar(&f.maxTime, "max-time", 0, "give up when the command has taken so long")
	p.DurationVar(&f.retryFor, "retry-for", 0, "try a broken connection again for so long (2m if not given; 0 for never)")
	p.BoolVar(&f.noMemory, "no-memory", false, "neither use nor keep what worked on this path before")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "show the dialogue with the server; passwords are masked")
	p.BoolVar(&f.logJSON, "log-json", false, "write the dialogue to standard error as one JSON object per line")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress, notes or hints")
}

// dialer returns a Dialer with all that the flags say but the login.
func (f *flags) dialer(p *pflag.FlagSet, t target) (*ftpnat.Dialer, error) {
	d := &ftpnat.Dialer{AttemptTimeout: f.connectTimeout, RetryFor: f.retryFor, ClearData: f.clearData}
	if f.never(p) {
		d.RetryFor = -1
	}
	if f.connectTimeout < 0 || f.maxTime < 0 {
		return nil, usagef("a timeout cannot be negative")
	}
	for _, set := range []func(*ftpnat.Dialer, target) error{f.setTLS, f.setModes, f.setActive, f.setTrust, f.setProxy} {
		if err := set(d, t); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// never reports whether nothing is to be tried again.
func (f *flags) never(p *pflag.FlagSet) bool { return p.Changed("retry-for") && f.retryFor <= 0 }

func (f *flags) setTLS(d *ftpnat.Dialer, t target) error {
	d.ImplicitTLS = t.scheme == "ftps"
	if !f.usesTLS(t) {
		if f.insecure || f.caFile != "" {
			return usagef("--insecure and --ca-file are for TLS: add --tls, or write ftpes:// or ftps://")
		}
		return nil
	}
	d.TLSConfig = &tls.Config{InsecureSkipVerify: f.insecure}
	if f.caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return localRead(err)
	}
	d.TLSConfig.RootCAs = x509.NewCertPool()
	if !d.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return usagef("--ca-file %s: there is no certificate in PEM form in it", f.caFile)
	}
	return nil
}

func (f *flags) usesTLS(t target) bool { return f.tls || t.scheme != "ftp" }

func (f *flags) setModes(d *ftpnat.Dialer, _ target) error {
	for _, text := range f.modes {
		var m ftpnat.Mode
		if err := m.UnmarshalText([]byte(strings.ToUpper(strings.TrimSpace(text)))); err != nil {
			return usagef("--modes: %q is none of EPSV, PASV, PORT and EPRT", text)
		}
		d.Modes = append(d.Modes, m)
	}
	return nil
}

func (f *flags) setActive(d *ftpnat.Dialer, _ target) (err error) {
	if f.publicAddr != "" {
		if d.PublicAddr, err = netip.ParseAddr(f.publicAddr); err != nil {
			return usagef("--public-addr: %q is not an address, such as 203.0.113.7", f.publicAddr)
		}
	}
	if f.ports != "" {
		if d.ListenPorts, err = parsePorts(f.ports); err != nil {
			return usagef("--listen-ports: %v", err)
		}
	}
	return nil
}

func parsePorts(text string) (ports [2]uint16, err error) {
	lo, hi, isRange := strings.Cut(text, "-")
	if !isRange {
		hi = lo
	}
	first, err := strconv.ParseUint(lo, 10, 16)
	last, err2 := strconv.ParseUint(hi, 10, 16)
	if err != nil || err2 != nil || first == 0 || last < first {
		return ports, errors.New("want two ports, the smaller one first, such as 40000-40009")
	}
	return [2]uint16{uint16(first), uint16(last)}, nil
}

func (f *flags) setTrust(d *ftpnat.Dialer, _ target) error {
	if len(f.trust) == 0 {
		return nil
	}
	var nets []netip.Prefix
	for _, text := range f.trust {
		p, err := parsePrefix(strings.TrimSpace(text))
		if err != nil {
			return usagef("--trust-data-addr: %q is not an address, a network such as 192.0.2.0/24, or any", text)
		}
		nets = append(nets, p...)
	}
	d.TrustDataAddr = func(_, advertised netip.Addr) bool {
		for _, n := range nets {
			if n.Contains(advertised.Unmap()) {
				return true
			}
		}
		return false
	}
	return nil
}

func parsePrefix(text string) ([]netip.Prefix, error) {
	if text == "any" {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return []netip.Prefix{netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	return []netip.Prefix{p}, err
}

func (f *flags) setProxy(d *ftpnat.Dialer, t target) (err error) {
	switch {
	case f.proxy != "" && f.mapping:
		return usagef("--map is for active mode, which does not go through a --proxy")
	case f.proxy != "":
		u, err := url.Parse(f.proxy)
		if err != nil || u.Scheme != "socks5" && u.Scheme != "http" || u.Hostname() == "" {
			return usagef("--proxy: want socks5://host:port or http://host:port")
		}
		d.ProxyURL = u
	case f.proxyEnv:
		if d.ProxyURL, err = ftpnat.ProxyFromEnvironment(t.addr()); err != nil {
			return usagef("--proxy-from-env: the proxy in the environment cannot be read")
		}
	}
	return nil
}

// usageError is a command line that cannot be followed.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

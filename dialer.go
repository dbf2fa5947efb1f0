package ftpnat

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Dialer opens control connections and negotiates data connections. Its zero
// value works. It is not changed by its methods and, as long as nobody else
// changes it, safe for concurrent use. A copy shares nothing with it but what
// its fields point to.
type Dialer struct {
	// User and Password are the login. An empty User means anonymous. The
	// user and password of a URL go before them.
	User, Password string

	// TLSConfig is the configuration for TLS: RFC 4217. Nil means no TLS for
	// [Dialer.Dial] and ftp:// URLs, and the system's roots for ftpes:// and
	// ftps://. Where it is set, AUTH TLS is sent for ftp:// too: a server
	// that does not take it is an error and never clear text. An empty
	// ServerName means the host that is dialled. It is not changed.
	TLSConfig *tls.Config
	// ImplicitTLS means TLS from the first byte, as ftps:// does.
	ImplicitTLS bool
	// AuthSSL allows AUTH SSL, the command's name before RFC 4217, where the
	// server refuses AUTH TLS as unknown. It is TLS all the same.
	AuthSSL bool
	// ClearData leaves data connections in clear text beside control
	// connections under TLS (PROT C: RFC 4217, 9). Without TLS it means
	// nothing.
	ClearData bool
	// ClearCommands ends TLS on control connections after the login, by CCC
	// (RFC 4217, 5), so that the FTP helper of a NAT can read PORT again, and
	// anybody on the way can read, and forge, commands and replies. Where the
	// server refuses, they stay under TLS. Data connections are not
	// concerned.
	ClearCommands bool

	// Modes are the modes that may be used, in the order in which they are
	// tried. Nil means EPSV, PASV, then active (PORT, EPRT).
	Modes []Mode

	// AttemptTimeout is the patient limit of one attempt to open a data
	// connection, and of opening the control connection. Zero means 15 s.
	// Attempts are made with short limits first, a few times the measured
	// round trip, and again with patience only where silence was why they
	// failed.
	AttemptTimeout time.Duration

	// PublicAddr is advertised in PORT and EPRT when the local address cannot
	// be reached. The zero value means to ask Mapper, or to learn it from
	// what the server says; no third party is asked.
	PublicAddr netip.Addr
	// ListenPorts is the inclusive range of local ports for active mode, for
	// a range that is forwarded to this machine. Zero means any.
	ListenPorts [2]uint16
	// Mapper asks a NAT to map a port to this machine for active mode. Nil
	// means none.
	Mapper Mapper

	// TrustDataAddr reports whether a data connection may go to, or come
	// from, another address than the control connection's: advertised is the
	// address in a 227, or the one that the server came from. Nil means no,
	// but for one case: a public address in the 227 of a server with a
	// verified certificate, which proves itself there again. Loopback,
	// multicast and unspecified addresses are not used even where it says
	// yes, nor are ports below 1024 of another host.
	TrustDataAddr func(control, advertised netip.Addr) bool

	// DialContext opens the control connection and passive data connections.
	// Nil means a [net.Dialer] with TCP keepalive every 3 s, which outlives
	// the shortest idle timers of NATs. The same keepalive is set on control
	// connections of a DialContext that have a SetKeepAliveConfig method, as
	// [net.TCPConn] has. Data connections that are opened ahead of need are
	// dialled beside other calls, with contexts that are no caller's.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen opens the port for active mode. Nil means [net.ListenConfig].
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	// ProxyURL is a socks5:// or http:// (CONNECT) proxy for all connections.
	// Nil means none. Behind a proxy only passive modes are used.
	ProxyURL *url.URL

	// Memory keeps what worked, by path. Nil means in this Dialer only.
	Memory Memory

	// RetryFor is how long a broken connection or transfer is tried again.
	// Zero means 2 minutes, negative never.
	RetryFor time.Duration
	// MaxConns is the number of control connections that an [FS] may hold.
	// Zero means 4.
	MaxConns int
	// SplitOver has [FS.Fetch] copy files of at least so many bytes in ranges,
	// over up to MaxConns connections at once. That pays where one connection
	// does not fill the path. What came is compared with what the server
	// tells, and where the ranges overlap; where anything differs the file is
	// fetched once more in one stream. Zero means never.
	SplitOver int64
	// ServerZone is the zone of the times in LIST, which does not tell it.
	// Nil means UTC. Servers with MLSD and MLST are not concerned, and
	// [FS.ModTime] asks for the time of one file without a doubt.
	ServerZone *time.Location
	// Charset translates the names in an [FS] for servers without UTF-8. Nil
	// means that names are bytes as the server has them.
	Charset Charset
}

// Mapper asks a NAT for a way in.
type Mapper interface {
	// Map asks that connections to a public address and port be passed on to
	// local. The mapping is released when the data connection is there or
	// has failed to come.
	Map(ctx context.Context, local netip.AddrPort) (Mapping, error)
}

// Mapping is a public address and port that lead to a local one.
type Mapping struct {
	Public  netip.AddrPort
	Release func() error // may be nil
}

// The defaults of Dialer's fields.
const (
	defaultAttemptTimeout = 15 * time.Second
	defaultRetryFor       = 2 * time.Minute
	defaultMaxConns       = 4
)

// config is a Dialer's filled copy for one server.
type config struct {
	Dialer   *Dialer // as the caller made it, for what needs no default
	user     string
	password string
	tls      *tls.Config // nil for none; a clone with ServerName set
	implicit bool
	attempt  time.Duration
	retryFor time.Duration
	maxConns int
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	listen   func(ctx context.Context, network, addr string) (net.Listener, error)
	memory   Memory
	addr     string // host:port
	host     string

	oneByOne bool          // nothing is sent ahead: for a probe
	crashed  *atomic.Int32 // logins in one go that were lost
	narrow   *atomic.Bool  // many commands at a time were not kept apart
	queue    *queueing
}

// fill returns the Dialer's settings for the server addr with defaults put in.
func (d *Dialer) fill(addr string) (*config, error) {
	c := &config{
		Dialer:   d,
		user:     d.User,
		password: d.Password,
		implicit: d.ImplicitTLS,
		attempt:  d.AttemptTimeout,
		retryFor: d.RetryFor,
		maxConns: d.MaxConns,
		dial:     d.DialContext,
		listen:   d.Listen,
		memory:   d.Memory,
		crashed:  new(atomic.Int32),
		narrow:   new(atomic.Bool),
		queue:    new(queueing),
	}
	if c.attempt <= 0 {
		c.attempt = defaultAttemptTimeout
	}
	if c.retryFor == 0 {
		c.retryFor = defaultRetryFor
	}
	if c.maxConns <= 0 {
		c.maxConns = defaultMaxConns
	}
	if c.user == "" {
		c.user = "anonymous"
		if c.password == "" {
			c.password = "anonymous@"
		}
	}
	if c.dial == nil {
		c.dial = keepaliveDialer().DialContext
	}
	if c.listen == nil {
		c.listen = new(net.ListenConfig).Listen
	}
	if c.memory == nil {
		c.memory = memoryOf(d)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := c.setServer(addr); err != nil {
		return nil, err
	}
	if d.ProxyURL != nil {
		dial, err := proxyDial(d.ProxyURL, keptAlive(c.dial))
		if err != nil {
			return nil, err
		}
		c.dial = dial
	}
	return c, nil
}

// check finds settings that cannot be meant.
func (d *Dialer) check() error {
	if lo, hi := d.ListenPorts[0], d.ListenPorts[1]; lo > hi || (lo == 0) != (hi == 0) {
		return fmt.Errorf("ftpnat: ListenPorts %d-%d is not a range of ports", lo, hi)
	}
	for _, m := range d.Modes {
		if m < EPSV || m > EPRT {
			return fmt.Errorf("ftpnat: Modes has %v, which is none of EPSV, PASV, PORT, EPRT", m)
		}
	}
	if d.Modes != nil && len(d.Modes) == 0 {
		return fmt.Errorf("ftpnat: Modes is empty: leave it nil for all modes")
	}
	if d.PublicAddr.IsValid() && (d.PublicAddr.IsUnspecified() || d.PublicAddr.IsMulticast()) {
		return fmt.Errorf("ftpnat: PublicAddr %v is not the address of a host", d.PublicAddr)
	}
	return nil
}

// setServer sets what depends on the server's name.
func (c *config) setServer(addr string) error {
	port := "21"
	if c.implicit {
		port = "990"
	}
	c.addr = addr
	if !hasPort(addr) {
		c.addr = net.JoinHostPort(strings.Trim(addr, "[]"), port)
	}
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return fmt.Errorf("ftpnat: server address %q: %w", addr, err)
	}
	if host == "" {
		return fmt.Errorf("ftpnat: server address %q has no host", addr)
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return fmt.Errorf("ftpnat: server address %q is neither host:port nor an IPv6 address", addr)
	}
	c.host = host
	if c.Dialer.TLSConfig != nil || c.implicit {
		c.setTLS()
	}
	return nil
}

func hasPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port != ""
}

// keepalive is that of our own sockets. NATs are known to forget a connection that
// is idle for 5 s and more; with net.Dialer.KeepAlive alone the system's
// interval of 15 s stays in force.
var keepalive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     3 * time.Second,
	Interval: 3 * time.Second,
	Count:    20,
}

func keepaliveDialer() *net.Dialer { return &net.Dialer{KeepAliveConfig: keepalive} }

// keptAlive is dial with that keepalive on the connections that have one.
func keptAlive(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if k, ok := nc.(interface {
			SetKeepAliveConfig(net.KeepAliveConfig) error
		}); ok {
			k.SetKeepAliveConfig(keepalive)
		}
		return nc, nil
	}
}

// Dial opens a control connection to addr (host, or host:port; 21 is the
// default port, 990 with implicit TLS) and logs in. Where there is no TLS to wait
// for, the login does not wait for the server's greeting; one that does not take
// that is asked again, one command at a time. A server that answers 421
// (too many connections) is tried again for RetryFor. The context governs the
// call and not the connection.
func (d *Dialer) Dial(ctx context.Context, addr string) (*Conn, error) {
	cfg, err := d.fill(addr)
	if err != nil {
		return nil, err
	}
	return dial(ctx, cfg)
}

// Open connects to the server that rawURL names, logs in, and returns the
// directory of the URL's path as a file system.
//
// The schemes are ftp, ftpes (AUTH TLS: RFC 4217) and ftps (implicit TLS). The
// path is relative to the login directory; %2F at its start makes it absolute
// (RFC 1738, 3.2.2). The context governs the call and not the FS; see
// [FS.WithContext].
func (d *Dialer) Open(ctx context.Context, rawURL string) (*FS, error) {
	cfg, dir, err := d.parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return openFS(ctx, cfg, dir)
}

// parseURL returns the settings for a URL, and the directory that it names.
func (d *Dialer) parseURL(rawURL string) (*config, string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "", fmt.Errorf("ftpnat: the URL cannot be read: %w", unreadable(err))
	}
	port, implicit, wantTLS := "21", false, false
	switch strings.ToLower(u.Scheme) {
	case "ftp":
		if d.ImplicitTLS {
			port = "990"
		}
	case "ftpes":
		wantTLS = true
	case "ftps":
		port, implicit = "990", true
	default:
		return nil, "", fmt.Errorf("ftpnat: the URL %s has the scheme %q: ftp, ftpes and ftps are known", shown(u), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, "", fmt.Errorf("ftpnat: the URL %s has no host", shown(u))
	}
	if p := u.Port(); p != "" {
		port = p
	}
	cfg, err := d.fill(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, "", err
	}
	if implicit {
		cfg.implicit = true
	}
	if (wantTLS || implicit) && cfg.tls == nil {
		cfg.setTLS()
	}
	if u.User != nil {
		cfg.user = u.User.Username()
		password, set := u.User.Password()
		if !set && (d.User == "" || d.User == cfg.user) {
			password = d.Password
		}
		cfg.password = password
	}
	dir := strings.TrimPrefix(u.EscapedPath(), "/")
	dir, _, _ = strings.Cut(dir, ";type=")
	dir, err = url.PathUnescape(dir)
	if err != nil {
		return nil, "", fmt.Errorf("ftpnat: the path of the URL %s: %w", u.Redacted(), err)
	}
	return cfg, dir, nil
}

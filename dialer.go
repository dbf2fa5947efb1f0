package ftpnat

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/ftpnat/ftpnat/internal/address"
	"github.com/ftpnat/ftpnat/internal/fsys"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Dialer opens control connections and negotiates data connections. Its zero
// value is ready to use. Its methods do not change it, and it is safe for
// concurrent use unless its fields are changed meanwhile. A copy shares nothing
// with the original but what its fields point to.
type Dialer struct {
	// User and Password are the login. An empty User means anonymous. The user
	// and password of a URL take precedence.
	User, Password string
	// Account is sent by ACCT (RFC 959, 4.1.1) if the server asks for it with a
	// 332. With an Account the login is sent one command at a time.
	Account string
	// DisablePipelining has no command sent before the last one is answered: for
	// servers that hang, or take one connection at a time, and must not be tried
	// with more. Others are found out and remembered without it. A session then
	// takes about nine round trips to begin in place of three, and a small file four
	// in place of one.
	DisablePipelining bool

	// TLSConfig is the configuration for TLS (RFC 4217). If it is nil,
	// [Dialer.Dial] and ftp:// URLs do not use TLS, and ftpes:// and ftps://
	// URLs use the system's roots. If it is set, AUTH TLS is sent for ftp://
	// too: a server that refuses it is an error, and clear text is never used
	// instead. An empty ServerName means the host that is dialled. The
	// configuration is not changed.
	TLSConfig *tls.Config
	// ImplicitTLS makes connections use TLS from the first byte, as ftps://
	// does.
	ImplicitTLS bool
	// AuthSSL allows AUTH SSL, the command's name before RFC 4217, if the server
	// refuses AUTH TLS as unknown. The connection uses TLS all the same.
	AuthSSL bool
	// ClearData leaves data connections in clear text beside control
	// connections under TLS (PROT C: RFC 4217, 9). It has no effect without TLS.
	ClearData bool
	// ClearCommands ends TLS on control connections after the login, by CCC
	// (RFC 4217, 5), so that the FTP helper of a NAT can read PORT again, and
	// anybody on the way can read, and forge, commands and replies. If the
	// server refuses, control connections stay under TLS. Data connections are
	// not affected.
	ClearCommands bool

	// Modes are the modes that may be used, in the order in which they are
	// tried. Nil means EPSV, PASV, then active (PORT, EPRT).
	Modes []Mode

	// AttemptTimeout is the longest time that one attempt to open a data
	// connection, or to open the control connection, may take. Zero means 15 s.
	// Attempts are first made with short limits, a few times the measured round
	// trip, and those that met silence are repeated with what is left of this one,
	// which they share.
	AttemptTimeout time.Duration

	// PublicAddr is the address for PORT and EPRT when the local address cannot
	// be reached. If it is the zero Addr, Mapper is asked, or the address is
	// learnt from what the server says; no third party is asked.
	PublicAddr netip.Addr
	// ListenPorts is the inclusive range of local ports for active mode, such as
	// a range that is forwarded to this machine. Zero means any port.
	ListenPorts [2]uint16
	// Mapper asks a NAT to map a port to this machine for active mode. Nil
	// means that none is asked.
	Mapper Mapper

	// TrustDataAddr reports whether a data connection may go to, or come from,
	// an address other than the control connection's: advertised is the address
	// in a 227, or the one that the server came from. If it is nil, one such
	// address is used: a public address in the 227 of a server with a verified
	// certificate, which has to prove itself there again. Loopback, multicast
	// and unspecified addresses are never used, nor are ports below 1024 of
	// another host.
	TrustDataAddr func(control, advertised netip.Addr) bool

	// DialContext opens the control connection and passive data connections. For one
	// of these it may be called again while it has not returned; what comes first is used.
	// Nil means a [net.Dialer]. The keepalive of KeepAliveConfig is set on the
	// connections that have a SetKeepAliveConfig method, as [net.TCPConn] has.
	// Data connections that are opened before they are needed are dialled
	// concurrently with other calls, with contexts that are no caller's.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen opens the port for active mode. Nil means [net.ListenConfig].
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	// KeepAliveConfig has TCP keepalive of control and data connections, as that of
	// [net.Dialer]. What is zero in it means a probe after 3 s without traffic
	// (Idle) and every 3 s then (Interval), which outlives the shortest idle timers
	// of NATs, and that a connection is dead after 5 probes in a row without an
	// answer (Count): one that goes silent is found out and replaced after 18 s.
	// Negative values leave the system's. If Enable is false and anything else is
	// not zero, no keepalive is set.
	KeepAliveConfig net.KeepAliveConfig
	// ProxyURL is a socks5:// or http:// (CONNECT) proxy for all connections.
	// Nil means none. Behind a proxy only passive modes are used.
	ProxyURL *url.URL

	// Memory keeps what worked, by path. If it is nil, the Dialer keeps it for
	// itself as long as it lives.
	Memory Memory

	// RetryFor is the time for which what may pass is tried again, with growing
	// pauses: connections that break or are refused by the network, transfers that
	// break, and replies that may not last (4yz). It is counted from the first
	// failure, or from the last try that has brought bytes, of a call as a whole.
	// Zero means 2 minutes; negative means never. What is final by its words or its
	// kind is not tried again whatever its code, and tries that cost much and get no
	// further (whole transfers, logins to a directory that cannot be entered) end
	// after three. The package's documentation has a table.
	RetryFor time.Duration
	// MaxConns is the number of control connections that an [FS] may hold. Zero
	// means 4.
	MaxConns int
	// MaxConnsPerHost is the number of control connections that all [FS] that the
	// Dialer has opened may hold to one host and port, beside the limit of each. They
	// give connections that are idle to one another. An FS that has none waits for
	// one of the others for a second, and then opens one all the same, so that no FS
	// waits for ever, and a copy between two does not either. What [Dialer.Dial]
	// returns is not counted. Zero means no such limit.
	MaxConnsPerHost int
	// IdleTimeout is how long an [FS] keeps a control connection that is not used.
	// Zero means a minute; negative means until Close.
	IdleTimeout time.Duration
	// SplitOver is the size in bytes from which [FS.Fetch] splits a file into
	// ranges, which are fetched over up to MaxConns connections at once. It
	// helps if one connection does not fill the path. The ranges are compared
	// with one another and with what the server says of the file; if anything
	// differs, the file is fetched once more as a whole. Zero means never.
	SplitOver int64
	// ServerZone is the time zone of LIST, which does not tell it. Nil means
	// UTC. It does not matter for servers with MLSD and MLST, nor for
	// [FS.ModTime], which asks for the exact time of one file.
	ServerZone *time.Location
	// Charset translates the names in an [FS] for servers without UTF-8. Nil
	// means that names are the bytes that the server sends. It is not used on a
	// server whose FEAT has UTF8 (RFC 2640); [Trace.Note] tells of that.
	Charset Charset
}

// Charset translates between the names of an [FS] and the bytes on the wire, for
// servers that do not use UTF-8. Both directions must be exact: a name that
// cannot be translated is an error. Implementations must be safe for concurrent
// use.
type Charset interface {
	Encode(name string) (wire string, err error)
	Decode(wire string) (name string, err error)
}

// Mapper asks a NAT for a way in.
type Mapper interface {
	// Map asks the NAT to forward connections from a public address and port to
	// local. The mapping is released when the data connection is closed or could
	// not be opened.
	Map(ctx context.Context, local netip.AddrPort) (Mapping, error)
}

// Mapping is a public address and port that are forwarded to a local one.
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
	session *session.Config
	dialer  *Dialer // as the caller made it, for what needs no default
	host    string
}

// fill returns the settings for the server addr with the defaults filled in.
func (d *Dialer) fill(addr string) (*config, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	server, host, err := address.Server(addr, d.ImplicitTLS)
	if err != nil {
		return nil, err
	}
	dial, err := d.dialFunc()
	if err != nil {
		return nil, err
	}
	c := &config{dialer: d, host: host}
	s := &session.Config{
		Server:    server,
		User:      d.User,
		Password:  d.Password,
		Account:   d.Account,
		OneByOne:  d.DisablePipelining,
		TLS:       session.Security{Implicit: d.ImplicitTLS, AuthSSL: d.AuthSSL, ClearData: d.ClearData, ClearCommands: d.ClearCommands},
		KeepNames: d.Charset != nil,
		Dial:      func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", server) },
		Attempt:   cmp.Or(max(d.AttemptTimeout, 0), defaultAttemptTimeout),
		RetryFor:  cmp.Or(d.RetryFor, defaultRetryFor),
		Transfer:  d.transferConfig(host, dial),
		Path:      d.pathConfig(),
		Shared:    new(session.Shared),
	}
	if s.User == "" {
		s.User = "anonymous"
		if s.Password == "" {
			s.Password = "anonymous@"
		}
	}
	c.session = s
	c.setTLS(d.TLSConfig != nil || d.ImplicitTLS)
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

// dialFunc returns what opens connections, through the proxy if there is one.
func (d *Dialer) dialFunc() (proxy.DialFunc, error) {
	dial := session.NewKeepAlive(d.KeepAliveConfig).Dial(d.DialContext)
	if d.ProxyURL == nil {
		return dial, nil
	}
	return proxy.Dialer(d.ProxyURL, dial)
}

// transferConfig returns the settings of data connections.
func (d *Dialer) transferConfig(host string, dial proxy.DialFunc) transfer.Config {
	t := transfer.Config{Host: host, Dial: dial, Listen: session.NewKeepAlive(d.KeepAliveConfig).Listen(d.Listen), Ports: d.ListenPorts}
	if m := d.Mapper; m != nil && !d.PublicAddr.IsValid() {
		t.Map = func(ctx context.Context, local netip.AddrPort) (netip.AddrPort, func() error, error) {
			mapping, err := m.Map(ctx, local)
			return mapping.Public, mapping.Release, err
		}
	}
	return t
}

// pathConfig returns what the caller has settled of the way to the server.
func (d *Dialer) pathConfig() path.Config {
	memory := d.Memory
	if memory == nil {
		memory = memories.Of(d)
	}
	return path.Config{
		Modes:      modes[proto.Mode](d.Modes),
		Proxy:      d.ProxyURL != nil,
		Mapped:     d.Mapper != nil,
		PublicAddr: d.PublicAddr.Unmap(),
		Trust:      d.TrustDataAddr,
		Memory:     inner{memory},
	}
}

// setTLS puts TLS into the settings if it is wanted: a clone of the caller's
// configuration with a ServerName, without which nothing is verified and nothing
// resumes.
func (c *config) setTLS(want bool) {
	s := c.session
	s.Path.Server = s.Server
	if !want {
		return
	}
	s.Path.Server += "+tls"
	base := c.dialer.TLSConfig
	if base == nil {
		base = new(tls.Config)
	}
	s.TLS.Config = base.Clone()
	if s.TLS.Config.ServerName == "" {
		s.TLS.Config.ServerName = c.host
	}
	s.Path.Verified = !base.InsecureSkipVerify && !c.dialer.ClearData
}

// Dial opens a control connection to addr (host, or host:port; the default port
// is 21, or 990 with implicit TLS) and logs in. Without TLS the login does not
// wait for the server's greeting; a server that does not take that is asked
// again, one command at a time. A server that answers 421 because it has too many
// connections, or is busy, is tried again for RetryFor, and one that gives no reason
// three times. A user or password that was refused is not sent again. The context
// governs the call and not the connection.
func (d *Dialer) Dial(ctx context.Context, addr string) (*Conn, error) {
	cfg, err := d.fill(addr)
	if err != nil {
		return nil, err
	}
	return dial(ctx, cfg)
}

func dial(ctx context.Context, cfg *config) (*Conn, error) {
	c, err := session.Dial(ctx, cfg.session)
	if err != nil {
		return nil, retry.Public(err)
	}
	return &Conn{cfg: cfg, c: c.Exclusive(ctx)}, nil
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
	sys, err := fsys.Open(ctx, cfg.files(), dir)
	if err != nil {
		return nil, err
	}
	return &FS{sys}, nil
}

// files returns the settings of an FS.
func (c *config) files() fsys.Config {
	d := c.dialer
	f := fsys.Config{Session: c.session, Charset: d.Charset, Zone: d.ServerZone, MaxConns: cmp.Or(max(d.MaxConns, 0), defaultMaxConns), IdleLimit: d.IdleTimeout, SplitOver: d.SplitOver}
	if d.MaxConnsPerHost > 0 {
		f.Shared = limits.Of(d).Of(c.session.Server, d.MaxConnsPerHost)
	}
	return f
}

// limits are those of MaxConnsPerHost.
var limits path.Beside[Dialer, pool.Limits]

// parseURL returns the settings for a URL, and the directory that it names.
func (d *Dialer) parseURL(rawURL string) (*config, string, error) {
	u, err := address.Parse(rawURL, d.ImplicitTLS)
	if err != nil {
		return nil, "", err
	}
	cfg, err := d.fill(u.Addr)
	if err != nil {
		return nil, "", err
	}
	cfg.session.TLS.Implicit = u.Implicit
	cfg.setTLS(u.TLS || u.Implicit || d.TLSConfig != nil)
	if u.User != nil {
		cfg.setUser(u.User)
	}
	return cfg, u.Dir, nil
}

// setUser sets the login of a URL. A user without a password has the Dialer's,
// unless that is another user's.
func (c *config) setUser(info *url.Userinfo) {
	s, d := c.session, c.dialer
	s.User = info.Username()
	password, set := info.Password()
	if !set && (d.User == "" || d.User == s.User) {
		password = d.Password
	}
	s.Password = password
}

// ProxyFromEnvironment returns the proxy that the environment names for the
// server addr (host, or host:port; the default port is 21), for
// [Dialer.ProxyURL], or nil if it names none. Nothing else in this package reads
// the environment.
//
// The proxy is in FTP_PROXY, or else in ALL_PROXY: socks5://host:port, or
// http://host:port for CONNECT, which is also meant if there is no scheme.
// NO_PROXY lists servers that are reached without a proxy, separated by commas:
// an address, a network (192.0.2.0/24), a domain with all that is in it
// (example.com), only what is in it (.example.com), each with or without a port;
// * means all servers. The names may be in lower case. Loopback addresses and
// localhost have no proxy.
func ProxyFromEnvironment(addr string) (*url.URL, error) { return proxy.FromEnvironment(addr) }

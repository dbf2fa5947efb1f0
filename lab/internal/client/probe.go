//go:build linux

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Outcome is what became of one way to a data connection.
type Outcome string

// The outcomes. Those that end in a code are followed by it.
const (
	Open          Outcome = "open"           // a listing came through
	Reset         Outcome = "reset"          // the control connection was lost
	Silent        Outcome = "silent"         // the command was not answered
	Refused       Outcome = "refused"        // the command was answered by an error
	DialRefused   Outcome = "dial refused"   // the advertised port was closed
	DialTimeout   Outcome = "dial timeout"   // the advertised port did not answer
	AcceptTimeout Outcome = "accept timeout" // the server did not come to ours
)

// The ways that a Probe tries, each on a control connection of its own.
const (
	WayEPSV           = "EPSV"
	WayPASV           = "PASV"            // at the address of the control connection
	WayPASVAdvertised = "PASV advertised" // at the address in the reply
	WayPORT           = "PORT"            // with the local address
	WayPORTPublic     = "PORT public"     // with Settings.PublicAddr
	WayEPRT           = "EPRT"            // with the local address
)

// probePatience is how long a probe waits for a reply or a connection. Without
// an obstacle these come within milliseconds.
const probePatience = 1500 * time.Millisecond

// probe finds out what the path does to each way, with a minimal client that
// shares no code with those under test.
func (job Job) probe(ctx context.Context, u *url.URL, r *Result) error {
	ways := []string{WayEPSV, WayPASV, WayPASVAdvertised, WayPORT, WayEPRT}
	if job.Settings.PublicAddr.IsValid() {
		ways = append(ways, WayPORTPublic)
	}
	r.Outcomes = make(map[string]Outcome)
	for _, way := range ways {
		p := &prober{job: job, way: way}
		outcome, err := p.run(ctx, u)
		r.Trace = append(append(r.Trace, "--- "+way), p.trace...)
		if err != nil {
			return fmt.Errorf("probe %s: %w", way, err)
		}
		r.Outcomes[way] = outcome
	}
	return nil
}

// preliminary is the first digit of the replies that begin a transfer: 150 of
// most servers, 125 of pyftpdlib.
const preliminary = 1

type prober struct {
	job   Job
	way   string
	tcp   *net.TCPConn
	text  *textproto.Conn
	trace []string
}

// run tries one way. The error is for what has nothing to do with it, such as
// a login that fails.
func (p *prober) run(ctx context.Context, u *url.URL) (Outcome, error) {
	if err := p.login(ctx, u); err != nil {
		return "", err
	}
	// A plain close would leave a server waiting for what a router swallowed.
	defer p.text.Close()
	defer p.tcp.SetLinger(0)
	switch p.way {
	case WayEPSV, WayPASV, WayPASVAdvertised:
		return p.passive(ctx)
	default:
		return p.active(ctx)
	}
}

// login tries twice: a server that counts connections may not have noticed yet
// that the one before is gone.
func (p *prober) login(ctx context.Context, u *url.URL) error {
	err := p.tryLogin(ctx, u)
	for range 3 {
		var busy *textproto.Error
		if !errors.As(err, &busy) || busy.Code != 421 {
			break
		}
		select {
		case <-time.After(probePatience / 3):
		case <-ctx.Done():
			return ctx.Err()
		}
		err = p.tryLogin(ctx, u)
	}
	return err
}

func (p *prober) tryLogin(ctx context.Context, u *url.URL) error {
	d := net.Dialer{Timeout: probePatience}
	conn, err := d.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return err
	}
	p.tcp, p.text = conn.(*net.TCPConn), textproto.NewConn(conn)
	password, _ := u.User.Password()
	_, err = p.reply(220)
	if err == nil {
		_, err = p.command(331, "USER "+u.User.Username())
	}
	if err == nil {
		_, err = p.command(230, "PASS "+password)
	}
	if err != nil {
		p.text.Close()
	}
	return err
}

func (p *prober) command(want int, line string) (string, error) {
	p.trace = append(p.trace, "> "+line)
	if err := p.text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	return p.reply(want)
}

func (p *prober) reply(want int) (string, error) {
	if err := p.tcp.SetReadDeadline(time.Now().Add(probePatience)); err != nil {
		return "", err
	}
	code, text, err := p.text.ReadResponse(want)
	p.trace = append(p.trace, fmt.Sprintf("< %d %s %v", code, text, err))
	return text, err
}

func (p *prober) passive(ctx context.Context) (Outcome, error) {
	name, _, _ := strings.Cut(p.way, " ")
	want := map[string]int{WayEPSV: 229, WayPASV: 227}[name]
	text, err := p.command(want, name)
	if err != nil {
		return commandOutcome(err)
	}
	addr, err := p.advertised(text)
	if err != nil {
		return "", err
	}
	d := net.Dialer{Timeout: probePatience}
	data, err := d.DialContext(ctx, "tcp", addr.String())
	p.trace = append(p.trace, fmt.Sprintf("dial %s: %v", addr, err))
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return DialRefused, nil
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		return DialTimeout, nil
	case err != nil:
		return "", err
	}
	if _, err := p.command(preliminary, "NLST"); err != nil {
		data.Close()
		return commandOutcome(err)
	}
	return p.drain(data)
}

// advertised reads where to dial out of a reply to EPSV or PASV.
func (p *prober) advertised(text string) (netip.AddrPort, error) {
	_, inner, ok := strings.Cut(text, "(")
	inner, _, closed := strings.Cut(inner, ")")
	if !ok || !closed {
		return netip.AddrPort{}, fmt.Errorf("no address in %q", text)
	}
	peer := p.tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	if p.way == WayEPSV {
		port, err := strconv.ParseUint(strings.Trim(inner, "|"), 10, 16)
		return netip.AddrPortFrom(peer, uint16(port)), err
	}
	var a [4]byte
	var hi, lo byte
	if _, err := fmt.Sscanf(inner, "%d,%d,%d,%d,%d,%d", &a[0], &a[1], &a[2], &a[3], &hi, &lo); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q: %w", text, err)
	}
	if p.way == WayPASVAdvertised {
		peer = netip.AddrFrom4(a)
	}
	return netip.AddrPortFrom(peer, uint16(hi)<<8|uint16(lo)), nil
}

func (p *prober) active(ctx context.Context) (Outcome, error) {
	local := p.tcp.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	listener, err := p.listen(ctx, local)
	if err != nil {
		return "", err
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).AddrPort().Port()
	advertised := local
	if p.way == WayPORTPublic {
		advertised = p.job.Settings.PublicAddr
	}
	line := fmt.Sprintf("PORT %s,%d,%d", strings.ReplaceAll(advertised.String(), ".", ","), port>>8, port&0xff)
	if p.way == WayEPRT {
		line = fmt.Sprintf("EPRT |1|%s|%d|", advertised, port)
	}
	if _, err := p.command(200, line); err != nil {
		return commandOutcome(err)
	}
	// The reply may come before or after the connection, and a server that
	// cannot connect sends none for a long time.
	if err := p.text.PrintfLine("NLST"); err != nil {
		return "", err
	}
	if err := listener.SetDeadline(time.Now().Add(probePatience)); err != nil {
		return "", err
	}
	data, err := listener.Accept()
	p.trace = append(p.trace, fmt.Sprintf("> NLST, accept at %s: %v", listener.Addr(), err))
	if isTimeout(err) {
		return AcceptTimeout, nil
	}
	if err != nil {
		return "", err
	}
	if _, err := p.reply(preliminary); err != nil {
		data.Close()
		return commandOutcome(err)
	}
	return p.drain(data)
}

// listen takes the first free port of the forwarded range, if there is one.
func (p *prober) listen(ctx context.Context, local netip.Addr) (*net.TCPListener, error) {
	var lc net.ListenConfig
	ports := p.job.Settings.ListenPorts
	if ports == [2]uint16{} || p.way != WayPORTPublic {
		l, err := lc.Listen(ctx, "tcp4", netip.AddrPortFrom(local, 0).String())
		if err != nil {
			return nil, err
		}
		return l.(*net.TCPListener), nil
	}
	var errs []error
	for port := int(ports[0]); port <= int(ports[1]); port++ {
		l, err := lc.Listen(ctx, "tcp4", netip.AddrPortFrom(local, uint16(port)).String())
		if err == nil {
			return l.(*net.TCPListener), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// drain reads the listing to its end and the verdict on it.
func (p *prober) drain(data net.Conn) (Outcome, error) {
	data.SetReadDeadline(time.Now().Add(probePatience))
	n, err := io.Copy(io.Discard, data)
	data.Close()
	if err != nil || n == 0 {
		return "", fmt.Errorf("the data connection gave %d bytes: %w", n, err)
	}
	if _, err := p.reply(226); err != nil {
		return commandOutcome(err)
	}
	return Open, nil
}

// commandOutcome classifies the error of a command.
func commandOutcome(err error) (Outcome, error) {
	var refused *textproto.Error
	switch {
	case errors.As(err, &refused):
		return Refused, nil
	case isTimeout(err):
		return Silent, nil
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return Reset, nil
	}
	return "", err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

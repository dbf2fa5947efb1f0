package ftpnat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// link is a control session and what is known of the path beside it. It
// serves one call at a time.
type link struct {
	cfg   *config
	sess  *control.Session
	trace *Trace
	data  *tls.Config // of data connections, nil for clear text

	lesson   Lesson     // what this session knows of the path
	greeted  int        // the life of the control connection whose greeting was searched
	asked    int        // the life in which STAT was asked for our address
	restLife int        // the life in which a REST above zero was sent
	attempts []Attempt  // of the last negotiation
	local    netip.Addr // our end of the last control connection
	peer     netip.Addr // its other end; invalid behind a proxy
	rtt      time.Duration
	version  string  // of TLS on the control connection
	resumed  Finding // whether the last TLS data connection resumed its session
	lately   []int   // ports of ListenPorts that were opened, the last one last

	dir        string    // to change to after the login
	guest      bool      // somebody else logs in: see DialFunc
	program    software  // that the server is
	identified int       // the life in which that was asked
	ahead      *foreseen // a data connection that is opened ahead of need
	launched   plan.Step // whose command was sent with the login
	launchedAt time.Time
	launchLost int         // the flights that had been lost then
	suspect    *Attempt    // by such a command, which may have cost the control connection
	hurt       int         // uploads in a row that failed for not waiting for the reply to PORT
	steps      []plan.Step // planned
	planned    plan.Input  // for this
	ended      bool        // a transfer has, in good order
	shortcut   shortcut    // that the attempt took
	current    plan.Step   // that a transfer is about to take, or takes; zero between transfers
	behind     bool        // it has sent commands behind the one that transfers
	forgotten  bool        // the server did not know of the data connection once in the transfer
	said       string      // the last command
	plainly    bool        // the transfer is to take no shortcuts
	futile     plan.Step   // for which it has sent something ahead of need that was of no use

	anyGroup bool        // the data connections offer all key exchanges
	oneGroup *tls.Config // groupOf, with the key exchange of the control connection
	groupOf  *tls.Config
}

// replyLimits is how many times the patience for one attempt the server has
// for the answer to an ordinary command, which may have to move a directory
// or hash a file.
const replyLimits = 4

func newLink(cfg *config) *link {
	l := &link{cfg: cfg, trace: new(Trace)}
	cc := control.Config{
		Dial:       func(ctx context.Context) (net.Conn, error) { return keptAlive(cfg.dial)(ctx, "tcp", cfg.addr) },
		Implicit:   cfg.implicit,
		Limit:      cfg.attempt,
		ReplyLimit: replyLimits * cfg.attempt,
		RetryFor:   cfg.retryFor,
	}
	if cfg.tls != nil {
		d := cfg.Dialer
		cc.AuthSSL, cc.ClearData, cc.ClearCommands = d.AuthSSL, d.ClearData, d.ClearCommands
		cc.TLS = func() *tls.Config {
			var c *tls.Config
			c, l.data = cfg.connectionTLS()
			return c
		}
	}
	cc.Flight, cc.Launched = l.flight, l.launch
	cc.Merges = cfg.Dialer.ProxyURL != nil
	l.sess = control.NewSession(cc)
	l.sess.Lose(int(cfg.crashed.Load()))
	l.sess.Observer = control.Observer{
		Connect: l.connected,
		Command: func(line string) {
			l.said = line
			call(l.trace.Command, line)
		},
		Reply: func(r control.Reply) { call(l.trace.Reply, Reply(r)) },
		Lost: func(err error) {
			l.dropAhead()
			l.suspects(err)
			call(l.trace.Lost, err)
		},
	}
	return l
}

// begin makes the hooks of ctx those of the calls that follow.
func (l *link) begin(ctx context.Context) { l.trace = traceOf(ctx) }

// connected takes in a new control connection, or that there is none.
func (l *link) connected(local, remote net.Addr, took time.Duration, err error) {
	l.local, l.peer = addrOf(local).Addr(), addrOf(remote).Addr()
	if l.cfg.Dialer.ProxyURL != nil {
		l.peer = netip.Addr{}
	}
	call(l.trace.Connect, ConnectEvent{Server: l.cfg.addr, Local: addrOf(local), Remote: addrOf(remote), Elapsed: took, Err: err})
}

// addrOf returns a socket's address; invalid where it is none of TCP.
func addrOf(a net.Addr) netip.AddrPort {
	ta, ok := a.(*net.TCPAddr)
	if !ok || ta == nil {
		return netip.AddrPort{}
	}
	ap := ta.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (l *link) note(format string, args ...any) {
	if l.trace.Note != nil {
		l.trace.Note(fmt.Sprintf(format, args...))
	}
}

// do sends one command and returns its final reply, whatever it says.
func (l *link) do(ctx context.Context, line string) (Reply, error) {
	if l.ahead != nil {
		if err := l.clear(ctx); err != nil {
			return Reply{}, err
		}
	}
	r, err := l.sess.Do(ctx, line)
	if err != nil {
		return Reply{}, contextual(ctx, replied(line, err))
	}
	return Reply(r), nil
}

// want is do for a command that must be answered by a certain code.
func (l *link) want(ctx context.Context, code int, line string) (Reply, error) {
	r, err := l.do(ctx, line)
	if err == nil && !r.is(code) {
		err = replyError(line, r)
	}
	return r, err
}

// path returns the key of this session's path.
func (l *link) path() Path {
	p := Path{Server: l.cfg.addr}
	if l.cfg.tls != nil {
		p.Server += "+tls"
	}
	bits := 24
	if l.local.Is6() {
		bits = 64
	}
	if prefix, err := l.local.WithZone("").Prefix(bits); err == nil {
		p.Network = prefix
	}
	return p
}

var sources = map[plan.Source]string{plan.Peer: "peer", plan.Advertised: "advertised", plan.Local: "local", plan.Public: "public"}

// recall reads the lesson of the path, which another session of the Dialer
// may have learnt meanwhile.
func (l *link) recall() {
	lesson, ok := l.cfg.memory.Recall(l.path())
	lesson.Avoid = slices.Clone(lesson.Avoid) // the memory's may be another session's too
	lesson.relent()
	if !ok {
		// What is avoided and the public address are this session's own too.
		l.lesson.Mode, l.lesson.Source = 0, ""
		return
	}
	for _, m := range l.lesson.Avoid {
		if m != lesson.Mode && !slices.Contains(lesson.Avoid, m) {
			lesson.Avoid = append(lesson.Avoid, m)
		}
	}
	if !lesson.Public.IsValid() {
		lesson.Public = l.lesson.Public
	}
	l.lesson = lesson
}

// proven returns the step that worked last time.
func (l *link) proven() plan.Step {
	for source, name := range sources {
		if name == l.lesson.Source {
			return plan.Step{Mode: plan.Mode(l.lesson.Mode), Source: source}
		}
	}
	return plan.Step{}
}

// learn keeps a step that worked.
func (l *link) learn(s plan.Step) {
	if l.proven() == s {
		return
	}
	l.lesson.Mode, l.lesson.Source = Mode(s.Mode), sources[s.Source]
	l.lesson.Avoid = slices.DeleteFunc(l.lesson.Avoid, func(m Mode) bool { return m == Mode(s.Mode) })
	l.keep()
}

func (l *link) keep() {
	l.lesson.Seen = time.Now()
	lesson := l.lesson
	lesson.Avoid = slices.Clone(lesson.Avoid)
	l.cfg.memory.Learn(l.path(), lesson)
}

// unlearn forgets a step that worked once and does not any more, and notes a
// mode that is not to be tried first again.
func (l *link) unlearn(s plan.Step, avoid bool) {
	was := l.lesson.Mode != 0 && l.proven() == s
	if was {
		l.lesson.Mode, l.lesson.Source = 0, ""
	}
	if avoid && !slices.Contains(l.lesson.Avoid, Mode(s.Mode)) {
		l.lesson.Avoid = append(l.lesson.Avoid, Mode(s.Mode))
		was = true
	}
	if was {
		l.keep()
	}
}

// input returns what is known of the path, for the plan.
func (l *link) input() plan.Input {
	in := plan.Input{
		Local:     l.local,
		Server:    l.peer,
		TLS:       l.sealed(),
		Proxy:     l.cfg.Dialer.ProxyURL != nil || !l.local.IsValid() || !l.peer.IsValid(),
		Trust:     l.cfg.Dialer.TrustDataAddr != nil || l.verified(),
		HasPublic: l.cfg.Dialer.PublicAddr.IsValid() || l.cfg.Dialer.Mapper != nil,
		Proven:    l.proven(),
	}
	for _, m := range l.cfg.Dialer.Modes {
		in.Modes = append(in.Modes, plan.Mode(m))
	}
	for _, m := range l.lesson.Avoid {
		in.Avoid = append(in.Avoid, plan.Mode(m))
	}
	return in
}

// plan returns the steps of a transfer. It must not be changed.
func (l *link) plan() []plan.Step {
	if in := l.input(); l.steps == nil || !in.Equal(l.planned) {
		l.planned, l.steps = in, plan.Make(in)
	}
	return l.steps
}

// verified reports whether the server proves itself on every connection.
func (l *link) verified() bool {
	return l.cfg.tls != nil && !l.cfg.tls.InsecureSkipVerify && !l.cfg.Dialer.ClearData
}

// sealed reports whether no box on the way can read the commands.
func (l *link) sealed() bool {
	if conn := l.sess.Live(); conn != nil {
		_, ok := conn.TLS()
		return ok
	}
	return l.cfg.tls != nil && !l.cfg.Dialer.ClearCommands
}

// trusts reports whether a data connection may have the other end addr.
func (l *link) trusts(addr netip.Addr) bool {
	switch {
	case !addr.IsValid():
		return false
	case addr == l.peer:
		return true
	case addr.IsLoopback(), addr.IsMulticast(), addr.IsUnspecified():
		return false
	}
	trust := l.cfg.Dialer.TrustDataAddr
	return trust != nil && trust(l.peer, addr)
}

// mayDial reports whether a data connection may be opened to addr. One that
// comes in has to be trusted: a stranger could take the server's place before
// TLS tells.
func (l *link) mayDial(addr netip.Addr) bool {
	if l.trusts(addr) {
		return true
	}
	return l.cfg.Dialer.TrustDataAddr == nil && l.verified() && public(addr)
}

// public reports whether addr can be one that everybody sees.
func public(addr netip.Addr) bool {
	return addr.IsGlobalUnicast() && !plan.Private(addr)
}

// publicAddr returns the address to advertise where the local one does not
// do: configured, or under which the server sees us. Invalid when it is not to
// be had.
func (l *link) publicAddr(ctx context.Context, limit time.Duration) (netip.Addr, error) {
	if a := l.cfg.Dialer.PublicAddr; a.IsValid() {
		return a.Unmap(), nil
	}
	return l.seenAddr(ctx, limit)
}

// seenAddr returns our address as the server sees it: what it lets slip in a
// refusal, its greeting or its STAT.
func (l *link) seenAddr(ctx context.Context, limit time.Duration) (netip.Addr, error) {
	if l.lesson.Public.IsValid() {
		return l.lesson.Public, nil
	}
	if life := l.sess.Lives(); l.greeted != life {
		l.greeted = life
		if l.overheard(Reply(l.sess.Greeting())) {
			return l.lesson.Public, nil
		}
	}
	if l.asked == 0 {
		r, err := l.ask(ctx, "STAT", limit)
		if err != nil {
			var f *fault
			if !errors.As(err, &f) || f.cause != Refused {
				return netip.Addr{}, err
			}
		}
		l.asked = l.sess.Lives()
		l.overheard(r)
	}
	return l.lesson.Public, nil
}

// overheard looks for our own address in a reply and keeps it.
func (l *link) overheard(r Reply) bool {
	// The local address is looked for too: where the server names it there
	// is no NAT, and that is worth knowing.
	addr, ok := hostport.FindAddr(r.Text(), l.peer)
	if !ok || addr.Is4() != l.local.Is4() || plan.Private(addr) && addr != l.local && public(l.peer) {
		// A private address that is not ours is one on the server's side.
		return false
	}
	if l.lesson.Public != addr {
		l.lesson.Public = addr
		if addr != l.local {
			l.note("the server sees this machine as %v", addr)
		}
	}
	return true
}

// ready makes sure that there is a control connection.
func (l *link) ready(ctx context.Context) error {
	if err := l.sess.Ready(ctx); err != nil {
		return contextual(ctx, replied("", err))
	}
	return nil
}

// close ends the control connection.
func (l *link) close(ctx context.Context) error {
	l.dropAhead()
	return l.sess.Close(ctx)
}

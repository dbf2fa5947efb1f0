// Package transfer turns a command into an open data connection, in whichever
// mode works, and ends the transfer by the server's word.
//
// There are two ways to begin a transfer. The plain one (negotiate.go) is that of
// RFC 959: one command at a time, in one mode after the other. The fast one
// (fast.go) sends early what is going to be needed, in a mode that has worked
// before; whatever goes wrong there is tried again on the plain way. Only
// [Engine.Open] knows both.
package transfer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Config is what the caller has settled of data connections. It is not changed.
type Config struct {
	Server  string        // host:port, for errors
	Host    string        // dialled if the peer of the control connection is not known
	Attempt time.Duration // limit of one attempt
	// OneByOne sends no command before the last one is answered.
	OneByOne bool

	// Dial opens a passive data connection. It is called from goroutines of the
	// Engine too.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen opens a port for active mode, of the range Ports if that is not zero.
	Listen data.ListenFunc
	Ports  [2]uint16
	// Map asks a NAT to map a port to local, for active mode. Nil if there is
	// nobody to be asked, or if the public address is set by the caller.
	Map func(ctx context.Context, local netip.AddrPort) (public netip.AddrPort, release func() error, err error)

	// Queueing is shared by the sessions of one client, and so are Worked, whether a
	// data connection has ever worked, and Signs, whether the server has ended one over
	// TLS with a close_notify.
	Queueing      *path.Queueing
	Worked, Signs *atomic.Bool
}

// Request is a command that needs a data connection.
type Request struct {
	Line   string // the command, such as "RETR name"
	Offset int64  // for REST, in bytes
	// Whole says that Body is all that is to be uploaded. Open sends it, if it
	// can without waiting for the server to begin, and if need be twice.
	Whole bool
	Body  []byte
	// Afresh returns another command for the next attempt, after one in a session
	// that was given up: a server may read a STOR long after that, and empty what
	// was written since. Nil if it has to be Line.
	Afresh func() (line string, err error)
	// Resumes says that the caller tries again if the transfer breaks.
	Resumes bool
	// Check is a command that tells the size of the file; empty if the server has
	// none, or nobody wants to know. It travels with a whole upload to a server that takes that: see
	// [Transfer.Size]. With a download it travels if nothing else is likely to
	// tell whether all bytes have come, and End sends it, at the cost of a round
	// trip, if it has not travelled and nothing else has told. SIZE stands for the
	// one with the argument of Line.
	Check string
	// First is a command that asks something before the transfer; empty for none.
	// It is sent only where it costs no round trip, in the write of a whole upload,
	// and Told has the reply then, whatever becomes of the transfer.
	First string
	Told  *proto.Reply
	// Known is the size of the file, in bytes; zero and less if it is not known.
	Known int64

	kind kind
}

// A kind of request decides what Offset does, which way the bytes go, and what is
// evidence that they are whole.
type kind uint8

const (
	download kind = iota // of a file
	upload
	appending // an upload, too
	listing
)

// kindOf is the only one to read the command.
func kindOf(line string) kind {
	switch control.Verb(line) {
	case "STOR", "STOU":
		return upload
	case "APPE":
		return appending
	case "LIST", "NLST", "MLSD":
		return listing
	}
	return download
}

// upload reports whether we are the one that sends.
func (k kind) upload() bool { return k == upload || k == appending }

// SIZE is the Check that asks for the size of what Line names.
const SIZE = "SIZE"

// Engine opens the data connections of one session. It is for one goroutine at a
// time.
type Engine struct {
	cfg   Config
	sess  *control.Session
	path  *path.Path
	ports data.Ports
	keys  data.KeyExchange
	offer *offer        // data connection that is opened before it is needed; nil for none
	spare *offer        // one that is used up; nil for none
	port  *control.Call // asks for a port for the transfer that is about to begin; nil for none

	attempts []proto.Attempt // of the last negotiation
	rtt      time.Duration   // last one measured
	lag      time.Duration   // by which an answer has come late, at most
	resumed  proto.Finding   // whether the last data connection resumed its TLS session
	restLife int             // life in which a REST above zero was sent
	greeted  int             // life whose greeting was searched for our address
	asked    int             // life in which STAT was asked for it
	ended    bool            // a transfer has ended in good order
	missed   bool            // an offer came to nothing, and no transfer has shown why
	sizes    proto.Finding   // whether the server has SIZE; one that has told a size does
	tells    proto.Finding   // whether the last 150 of a download told a size
}

// New returns an Engine for a control session. The path is shared with the
// session, which tells it of new control connections.
func New(cfg Config, s *control.Session, p *path.Path) *Engine {
	if cfg.Queueing == nil {
		cfg.Queueing = new(path.Queueing)
	}
	if cfg.Worked == nil {
		cfg.Worked, cfg.Signs = new(atomic.Bool), new(atomic.Bool)
	}
	return &Engine{cfg: cfg, sess: s, path: p, ports: data.Ports{First: cfg.Ports[0], Last: cfg.Ports[1]}}
}

// Attempts returns the attempts of the last Open, or of Probe.
func (e *Engine) Attempts() []proto.Attempt { return slices.Clone(e.attempts) }

// TLSResumed returns whether the last data connection with TLS has resumed the
// session of the control connection.
func (e *Engine) TLSResumed() proto.Finding { return e.resumed }

// RTT returns the round trip time of the control connection, or of the last one.
func (e *Engine) RTT() time.Duration {
	if conn := e.sess.Live(); conn != nil {
		e.rtt = conn.RTT()
	}
	return e.rtt
}

// replyLimits is how many times the limit of an attempt the server has to say
// that a transfer is complete: some write what they got to a slow store first.
const replyLimits = 4

func (e *Engine) verdictLimit() time.Duration { return replyLimits * e.cfg.Attempt }

// soon is how long a server may take for a reply that it has nothing left to do
// for.
func (e *Engine) soon() time.Duration { return 2*time.Second + 4*e.RTT() }

// ready makes sure that there is a control connection.
func (e *Engine) ready(ctx context.Context) error {
	return proto.ContextError(ctx, e.sess.Ready(ctx))
}

// ask sends a command of the negotiation and returns the final reply to it. A
// negative one is a fault.
func (e *Engine) ask(ctx context.Context, line string, limit time.Duration) (proto.Reply, error) {
	c, err := e.sess.Send(ctx, line)
	if err != nil {
		return proto.Reply{}, e.lost(ctx, err)
	}
	return e.hear(ctx, c, line, limit)
}

// hear returns the final reply to a command of the negotiation.
func (e *Engine) hear(ctx context.Context, c *control.Call, line string, limit time.Duration) (proto.Reply, error) {
	r, err := e.final(ctx, c, limit)
	switch {
	case err != nil:
		return proto.Reply{}, e.lost(ctx, err)
	case r.Code == 421 && !e.sess.Answers(ctx):
		return r, &fault{cause: proto.ControlReset, reply: r, err: proto.Refusal(line, r)}
	case r.Code >= 400:
		return r, &fault{cause: proto.Refused, reply: r, err: proto.Refusal(line, r)}
	}
	return r, nil
}

// final returns the final reply to a command.
func (e *Engine) final(ctx context.Context, c *control.Call, limit time.Duration) (proto.Reply, error) {
	for {
		r, err := e.sess.Next(ctx, c, limit)
		if err != nil || !r.Preliminary() {
			return r, err
		}
	}
}

// lost says why there is no reply, and gives the control connection up.
func (e *Engine) lost(ctx context.Context, err error) error {
	e.sess.Drop(ctx, err)
	switch {
	case errors.Is(err, control.ErrArgument):
		return err
	case errors.Is(err, proto.ErrSilent):
		return &fault{cause: proto.ControlSilent, err: err}
	}
	return &fault{cause: proto.ControlReset, err: err}
}

// rests reports whether a REST has to come before the command.
func (e *Engine) rests(req Request) bool {
	stale := e.restLife == e.sess.Lives() && e.restLife > 0
	return req.Offset > 0 || stale && req.kind != appending
}

// parts reports whether a command has to stand between a REST and the one of the
// request: goftp and a few others append if STOR follows REST, whatever the
// number was.
func (e *Engine) parts(req Request) bool {
	return req.kind.upload() && req.Offset == 0 && e.sess.Latest() == "REST"
}

// offersPRET reports whether the server wants to be told of a command before
// EPSV or PASV. Pure-FTPd accepts PRET and does not need it.
func (e *Engine) offersPRET() bool {
	_, ok := e.sess.Feature("PRET")
	return ok && e.sess.Software() != control.PureFTPd
}

// SeenAddr returns our address as the server sees it; invalid if it does not tell.
func (e *Engine) SeenAddr(ctx context.Context) (netip.Addr, error) {
	if err := e.clear(ctx); err != nil {
		return netip.Addr{}, err
	}
	err := e.seenAddr(ctx, plan.Quick(e.RTT(), e.cfg.Attempt).Reply)
	return e.path.Seen(), err
}

// seenAddr returns our address as the server sees it: what it gives away in a
// refusal, its greeting or its STAT.
func (e *Engine) seenAddr(ctx context.Context, limit time.Duration) error {
	if e.path.Seen().IsValid() {
		return nil
	}
	if life := e.sess.Lives(); e.greeted != life {
		e.greeted = life
		if e.overheard(ctx, e.sess.Greeting()) {
			return nil
		}
	}
	if e.asked != 0 {
		return nil
	}
	r, err := e.ask(ctx, "STAT", limit)
	var f *fault
	if err != nil && (!errors.As(err, &f) || f.cause != proto.Refused) {
		return err
	}
	e.asked = e.sess.Lives()
	e.overheard(ctx, r)
	return nil
}

// overheard looks for our own address in a reply, and reports whether it is
// there.
func (e *Engine) overheard(ctx context.Context, r proto.Reply) bool {
	found, news := e.path.Overhear(r)
	if news {
		trace.From(ctx).Notef("the server sees this machine as %v", e.path.Seen())
	}
	return found
}

// Probe tries each mode that is allowed with a listing, once, also after one has
// worked, until ctx ends. It returns the first one that works, zero if none does,
// and what ended the probe early; what the modes have shown is in Attempts.
func (e *Engine) Probe(ctx context.Context) (works proto.Mode, stopped error) {
	p := &prober{Engine: e, timers: plan.Quick(e.RTT(), e.cfg.Attempt)}
	e.attempts = nil
	p.all(ctx)
	return p.works.Mode, p.stopped
}

// hearSize returns the size that a reply to SIZE tells; -1 if it tells none.
func (e *Engine) hearSize(r proto.Reply) int64 {
	n := r.Size()
	if n >= 0 || r.Unsupported() && e.sizes != proto.Yes {
		e.sizes = proto.Found(n >= 0)
	}
	return n
}

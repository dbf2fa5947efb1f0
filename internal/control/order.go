package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// deliver hands a reply to the command that it answers: the oldest one that
// waits, unless the reply cannot be meant for that.
func (c *Conn) deliver(r proto.Reply, buffered int) (stop bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.heard
	c.heard = time.Now()
	i := c.owner(r)
	if i < 0 {
		// Nobody asked: a 421 at the idle limit, or one reply too many.
		// Kept for whoever looks why the connection ends.
		c.unasked = c.unasked || r.Code == 227 || r.Code == 229
		r = proto.Mask(r, c.secrets)
		if c.stray = append(c.stray, r); len(c.stray) > maxStray {
			return false, &ProtocolError{"more replies than commands", head(r)}
		}
		return false, nil
	}
	call := c.pending[i]
	c.mixed = c.mixed || i > 0
	for _, earlier := range c.pending[:i] {
		earlier.passed = earlier.passed || r.Code >= 400
	}
	if light(call.Verb) {
		c.lag = max(c.lag, c.late(call, before))
	}
	if !r.Preliminary() || call.ending && call.got > 0 {
		c.pending = slices.Delete(c.pending, i, i+1)
		call.rtt = c.rtt
		if rtt := time.Since(call.sent); call.Verb != "" && (c.rtt == 0 || rtt < c.rtt) {
			c.rtt = rtt
		}
	}
	if err := call.take(r); err != nil {
		return false, err
	}
	if call.last && r.Code/100 == 2 {
		if buffered > 0 {
			// Text that was sent in the clear and would be read as if it
			// had come over TLS: the STARTTLS injection of CVE-2011-0411.
			return false, &ProtocolError{"more text after the reply to " + call.Verb, ""}
		}
		return true, nil
	}
	return false, nil
}

// late returns how long the reply to a call came late that has come just now, and the
// one before it at that time: by more than a round trip, or after the one before.
func (c *Conn) late(call *Call, before time.Time) time.Duration {
	if !call.sent.Before(before) {
		return c.heard.Sub(call.sent) - c.rtt
	}
	return c.heard.Sub(before)
}

// light reports whether a server has nothing to do for a command.
func light(verb string) bool {
	switch verb {
	case "USER", "TYPE", "OPTS", "NOOP", "CWD", "PWD", "EPSV", "PASV", "PBSZ", "PROT":
		return true
	}
	return false
}

// owner returns which pending command a reply is for; -1 for none.
func (c *Conn) owner(r proto.Reply) int {
	for i, call := range c.pending {
		if call.accepts(r, i+1 < len(c.pending)) {
			return i
		}
	}
	return -1
}

// accepts reports whether a reply can be one to the call. Servers repeat the
// end of a transfer, or give it late, and some answer a command that was sent
// behind a transfer before that has ended.
func (c *Call) accepts(r proto.Reply, more bool) bool {
	switch {
	case r.Preliminary() && !transfers(c.Verb) && c.Verb != "" && more:
		// pyftpdlib answers PORT when it has connected, and a command behind
		// it at once.
		return false
	case r.Code == 227 || r.Code == 229:
		return c.Verb == "EPSV" || c.Verb == "PASV" || c.Verb == ""
	case c.Verb == "EPSV" || c.Verb == "PASV":
		// 211 is that of the FEAT which a login ends with.
		return r.Code != 200 && r.Code != 211 && r.Code != 225 && r.Code != 226 && r.Code != 250 && !r.Preliminary()
	case c.Verb == "PORT" || c.Verb == "EPRT" || c.Verb == "REST":
		return r.Code != 225 && r.Code != 226
	case transfers(c.Verb) && !more && c.passed && r.Code/100 == 2:
		// The refusal may have been its own, and this the answer to what was
		// sent behind it.
		return r.Code == 225 || r.Code == 226 || r.Code == 250
	case !transfers(c.Verb) || !more:
		return true
	case r.Preliminary() || r.Code/100 != 2 && c.got == 0:
		return true
	}
	// With something sent behind it the order alone does not tell: what cannot
	// end a transfer that runs (RFC 959, 5.4) is about that.
	switch r.Code {
	case 225, 226, 250, 421, 425, 426, 451, 452, 522:
		return true
	}
	return r.Code/10 == 55
}

// belated reports whether a reply is likely the end of an earlier transfer, which
// some servers tell twice when it was broken off: RFC 959, 5.4 has no such reply
// to these commands.
func belated(verb string, r proto.Reply) bool {
	switch verb {
	case "DELE", "RMD", "XRMD", "MKD", "XMKD", "RNFR", "RNTO", "CWD", "XCWD", "CDUP", "XCUP", "PWD", "XPWD",
		"SIZE", "MDTM", "MFMT", "MLST", "TYPE", "NOOP":
		return r.Code == 225 || r.Code == 226
	}
	return false
}

// transfers reports whether a command uses a data connection.
func transfers(verb string) bool {
	switch verb {
	case "RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD":
		return true
	}
	return false
}

// Mixed reports whether a reply came before that to an earlier command: the
// server does not keep commands until it has done with a transfer.
func (c *Conn) Mixed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mixed
}

// disordered reports whether replies came out of turn, or a port that nobody
// waits for any more: another reply was taken for that to EPSV.
func (c *Conn) disordered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mixed || c.unasked
}

// Again puts a call back to the head of the queue: the final reply it got was
// not its own (a late 226, say), and the next one is awaited. Nothing must have
// been sent behind the call.
func (c *Conn) Again(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rtt = call.rtt // that reply was on its way before the command
	if call.replies == nil {
		call.replies = make(chan proto.Reply, maxReplies)
	}
	for len(c.stray) > 0 {
		// What came meanwhile found nobody to belong to.
		r := c.stray[0]
		c.stray = c.stray[1:]
		if err := call.take(r); err != nil {
			c.failLocked(err)
			return
		}
		if !r.Preliminary() {
			return
		}
	}
	c.pending = slices.Insert(c.pending, 0, call)
}

// Abandon tells that the data connection of a download is about to be closed
// before its end: Pure-FTPd then says a second 150, and nothing else, where
// others say 426.
func (c *Conn) Abandon(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.ending = true
}

// Forget takes a call out of the queue again: nothing more is expected for it.
func (c *Conn) Forget(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.pending, call); i >= 0 {
		c.pending = slices.Delete(c.pending, i, i+1)
	}
}

// errDisplaced says that a server gave more replies than it got commands.
var errDisplaced = errors.New("the reply is one to another command")

func displacedBy(line string, r proto.Reply) error {
	return fmt.Errorf("%s: %w: %s", proto.Redact(line), errDisplaced, r)
}

// displaced reports whether a positive reply is likely not that to the command. A
// server that says one thing twice shifts the replies to all that came with it:
// the directory would be taken for that of the session when it was refused.
func displaced(verb string, r proto.Reply) bool {
	switch verb {
	case "TYPE":
		return r.Code/100 == 2 && r.Code != 200
	case "CWD", "XCWD", "CDUP", "XCUP":
		return r.Code/100 == 2 && r.Code != 250
	}
	return false
}

// odd is displaced for a reply of which it will be found out: by RFC 959, 4.2 the
// first digit decides, and some servers have codes of their own.
func odd(verb string, r proto.Reply) bool {
	switch verb {
	case "USER":
		return r.Code/100 == 2 && r.Code != 230 && r.Code != 232
	case "PASS":
		return r.Code/100 == 2 && r.Code != 230 && r.Code != 202
	}
	return displaced(verb, r)
}

// foreign reports whether a reply can only be that to another command of a login.
func foreign(verb string, r proto.Reply) bool {
	switch r.Code {
	case 230:
		return verb != "USER" && verb != "PASS" && verb != "ACCT"
	case 211:
		return verb != "FEAT" && len(r.Lines) > 1
	case 227, 229:
		return true
	}
	return false
}

// notIn reports whether a reply to USER or PASS neither lets the user in nor asks
// for more that was sent.
func notIn(verb string, r proto.Reply) bool {
	switch verb {
	case "USER":
		return r.Code/100 != 2 && r.Code != 331
	case "PASS":
		// A 331 is more likely that to USER, once more.
		return r.Code/100 != 2 && r.Code != 331 && r.Code != 332
	}
	return false
}

// admits reports whether a reply lets the user in. If commands are obeyed side
// by side, one reply may stand within another.
func admits(r proto.Reply) bool {
	return r.Code == 230 || slices.ContainsFunc(r.Lines, func(line string) bool { return strings.HasPrefix(line, "230 ") })
}

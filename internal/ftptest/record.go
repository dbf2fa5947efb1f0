package ftptest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Bounds on what a client can make a server keep.
const (
	maxRecorded = 1 << 16 // lines of one dialogue
	maxVerbs    = 256     // different verbs that are counted
)

// Line is one command or one reply.
type Line struct {
	Dir  Direction // Dir is Received for a command, Sent for a reply.
	Text string    // Text is the command line or the whole reply, lines separated by "\n", without the last line end.
}

// Dialogue is what was said on one control connection.
type Dialogue struct {
	Conn           int // Conn is the index of the control connection, from 1.
	Remote         netip.AddrPort
	Lines          []Line // Lines holds at most 65536 lines, the first ones.
	Sent, Received int64  // Sent and Received count bytes, below any TLS.
	Ended          bool   // Ended is set when the server is done with the connection.
}

// Commands returns the command lines in order.
func (d Dialogue) Commands() []string {
	var list []string
	for _, l := range d.Lines {
		if l.Dir == Received {
			list = append(list, l.Text)
		}
	}
	return list
}

// Verbs returns the commands in order, without their arguments.
func (d Dialogue) Verbs() []string {
	list := d.Commands()
	for i, line := range list {
		list[i], _ = cutCommand(line)
	}
	return list
}

// String returns the dialogue as "C: " and "S: " lines; a password is masked.
func (d Dialogue) String() string {
	var b strings.Builder
	for _, l := range d.Lines {
		if l.Dir == Sent {
			fmt.Fprintf(&b, "S: %s\n", strings.ReplaceAll(l.Text, "\n", "\nS: "))
			continue
		}
		text := l.Text
		if verb, _ := cutCommand(text); verb == "PASS" {
			text = "PASS ****"
		}
		fmt.Fprintf(&b, "C: %s\n", text)
	}
	return b.String()
}

// DataConn is one data connection that was established.
type DataConn struct {
	Conn           int  // Conn is the index of the control connection, from 1.
	Passive        bool // Passive is set if the client connected to the server.
	Local, Remote  netip.AddrPort
	Sent, Received int64 // Sent and Received count bytes, below any TLS.
}

// Counters are totals over the life of a Server.
type Counters struct {
	Connections     int            // Connections counts control connections, refused ones included.
	Logins          int            // Logins counts successful ones.
	Commands        map[string]int // Commands counts commands by verb.
	Listening       int            // Listening counts the ports opened for passive connections.
	DataAccepted    int            // DataAccepted counts passive data connections.
	DataDialed      int            // DataDialed counts active data connections that were established.
	DataFailed      int            // DataFailed counts data connections that were not: timed out, refused or turned away.
	ControlSent     int64          // ControlSent counts bytes, as do the three that follow.
	ControlReceived int64
	DataSent        int64
	DataReceived    int64
}

// recorder collects what Transcript, DataConns and Counters return.
type recorder struct {
	mu       sync.Mutex
	counters Counters
	dialogs  []*dialog
	data     []*dataRecord
	commands int
}

type dialog struct {
	Dialogue
	wire *wire
}

type dataRecord struct {
	DataConn
	wire *wire
}

// Transcript returns the dialogues so far, in the order of the connections.
func (s *Server) Transcript() []Dialogue {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	list := make([]Dialogue, len(s.rec.dialogs))
	for i, d := range s.rec.dialogs {
		list[i] = d.Dialogue
		list[i].Lines = slices.Clone(d.Lines)
		list[i].Sent, list[i].Received = d.wire.totals()
	}
	return list
}

// DataConns returns the data connections so far, in the order of opening.
func (s *Server) DataConns() []DataConn {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	list := make([]DataConn, len(s.rec.data))
	for i, d := range s.rec.data {
		list[i] = d.DataConn
		list[i].Sent, list[i].Received = d.wire.totals()
	}
	return list
}

// Counters returns the totals so far.
func (s *Server) Counters() Counters {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	c := s.rec.counters
	c.Commands = maps.Clone(c.Commands)
	for _, d := range s.rec.dialogs {
		sent, received := d.wire.totals()
		c.ControlSent += sent
		c.ControlReceived += received
	}
	for _, d := range s.rec.data {
		sent, received := d.wire.totals()
		c.DataSent += sent
		c.DataReceived += received
	}
	return c
}

// tally changes the counters.
func (r *recorder) tally(f func(*Counters)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counters)
}

// nextConn returns the index of a new control connection.
func (r *recorder) nextConn() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.Connections++
	return r.counters.Connections
}

// occurred counts a command and returns how often it came on all connections.
func (r *recorder) occurred(verb string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if verb == Greeting {
		return r.counters.Connections
	}
	if r.counters.Commands == nil {
		r.counters.Commands = make(map[string]int)
	}
	r.commands++
	return countVerb(r.counters.Commands, verb)
}

// countVerb counts an occurrence of verb. When there are too many verbs, new ones
// are counted together as Any.
func countVerb(counts map[string]int, verb string) int {
	if len(counts) >= maxVerbs && counts[verb] == 0 {
		verb = Any
	}
	counts[verb]++
	return counts[verb]
}

// lines returns how many commands came on all connections.
func (r *recorder) lines() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands
}

// dialog opens the record of a control connection.
func (r *recorder) dialog(id int, remote netip.AddrPort, w *wire) *dialog {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &dialog{Dialogue: Dialogue{Conn: id, Remote: remote}, wire: w}
	r.dialogs = append(r.dialogs, d)
	return d
}

// record adds a line to a dialogue.
func (r *recorder) record(d *dialog, dir Direction, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(d.Lines) < maxRecorded {
		d.Lines = append(d.Lines, Line{dir, text})
	}
}

// finished marks the end of a dialogue.
func (r *recorder) finished(d *dialog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Ended = true
}

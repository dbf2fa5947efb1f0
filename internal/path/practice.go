package path

import (
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Practice is something that is sent before what came earlier was answered.
type Practice uint8

const (
	Flight Practice = iota // the login, in one go
	Queue                  // a command behind the one that transfers
	Ahead                  // EPSV or PASV before there is a transfer
	Walk                   // STAT of many directories, in one go
)

// maxMisses is how many data connections that were asked for ahead must fail one
// after the other, and the plain way must not, before no more are asked for. One
// may be a lost packet.
const maxMisses = 2

func (p *Path) finding(what Practice) *proto.Finding {
	switch what {
	case Flight:
		return &p.lesson.Flight
	case Queue:
		return &p.lesson.Queue
	case Ahead:
		return &p.lesson.Ahead
	}
	return &p.lesson.Walk
}

// Takes returns whether the server, and what is on the way to it, are known to
// take something that is sent early.
func (p *Path) Takes(what Practice) proto.Finding { return *p.finding(what) }

// Learn records whether a practice went well, and reports whether it is given up
// by that. How much one failure proves differs: for Flight and Queue the caller
// has made sure; Walk is given up at once if it never worked, else at the second
// failure; Ahead at the second in a row.
func (p *Path) Learn(what Practice, ok bool) (givenUp bool) {
	f := p.finding(what)
	was := *f
	switch {
	case what == Ahead && !ok:
		if p.misses++; p.misses >= maxMisses {
			*f = proto.No
		}
	case ok:
		if what == Ahead {
			p.misses = 0
		}
		if was == proto.Unknown || what == Flight || what == Queue {
			*f = proto.Yes
		}
	case what == Walk:
		f.Failed()
	default:
		*f = proto.No
	}
	if *f != was {
		p.keep()
	}
	return *f == proto.No && was != proto.No
}

// Answered records how long the server took for a plain answer.
func (p *Path) Answered(took time.Duration) { p.slowest = max(p.slowest, took) }

// Patience returns how long to wait for an answer to something that was sent in
// one go: at least so long, and twice what the slowest plain answer took. A
// server that takes 5 s for SIZE would else lose its connection each time.
func (p *Path) Patience(least time.Duration) time.Duration { return max(least, 2*p.slowest) }

package proto

import (
	"fmt"
	"net/netip"
	"time"
)

// Finding is the answer to a question. Its zero value says that nobody looked,
// or that what was seen does not tell.
type Finding uint8

// The answers.
const (
	Unknown Finding = iota
	No
	Yes
)

// String returns unknown, no or yes.
func (f Finding) String() string {
	switch f {
	case Unknown:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return fmt.Sprintf("Finding(%d)", uint8(f))
}

// Found returns Yes or No.
func Found(yes bool) Finding {
	if yes {
		return Yes
	}
	return No
}

// Failed records that something did not work: once is enough if it never has,
// twice in a row if it has. One failure may be chance.
func (f *Finding) Failed() {
	if *f == Yes {
		*f = Unknown
	} else {
		*f = No
	}
}

// Key is what a Memory is kept by: the way from a local network to a server.
type Key struct {
	Server  string       // host:port as it was dialled, and "+tls" if that is in use
	Network netip.Prefix // of the local address: /24 for IPv4, /64 for IPv6
}

// Lesson is what is known of a path: see Lesson of package ftpnat.
type Lesson struct {
	Mode   Mode
	Source string
	Public netip.Addr
	Avoid  []Mode
	Seen   time.Time

	Flight Finding
	Queue  Finding
	Ahead  Finding
	Walk   Finding
}

// expireAfter is how long it is remembered that something did not work which is
// only slower without: two broken connections may have been the reason.
const expireAfter = 24 * time.Hour

// Expire forgets what is not to be sent ahead if that was learnt long ago.
func (l *Lesson) Expire() {
	if time.Since(l.Seen) < expireAfter {
		return
	}
	for _, f := range []*Finding{&l.Flight, &l.Queue, &l.Ahead, &l.Walk} {
		if *f == No {
			*f = Unknown
		}
	}
}

// Memory keeps lessons. It is safe for concurrent use.
type Memory interface {
	Recall(Key) (Lesson, bool)
	Learn(Key, Lesson)
	Forget(Key)
}

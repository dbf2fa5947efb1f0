package proto

import (
	"net/netip"
	"time"
)

// Cause says in one word why an attempt to open a data connection failed. Its
// texts are those of package ftpnat.
type Cause uint8

// The causes: see the constants of package ftpnat.
const (
	OK Cause = iota
	ControlReset
	ControlSilent
	Refused
	BadAddress
	DialRefused
	DialTimeout
	DialFailed
	AcceptTimeout
	DataRefused
	BadIP
	TLSReuseRequired
	TLSFailed
	OtherAddress
	ListenFailed
	NoAddress
	ProxyRefused
)

// Silent reports whether a longer wait could have changed the outcome.
func (c Cause) Silent() bool {
	return c == ControlSilent || c == DialTimeout || c == AcceptTimeout
}

// Lethal reports whether the control connection did not survive.
func (c Cause) Lethal() bool { return c == ControlReset || c == ControlSilent }

// Attempt is one try to open a data connection.
type Attempt struct {
	Mode       Mode
	Advertised netip.AddrPort // in the server's 227, or in our PORT or EPRT
	Used       netip.AddrPort // what was dialled, or where the server came from
	Reply      Reply          // the reply that decided it
	Start      time.Time
	Elapsed    time.Duration
	Cause      Cause // OK if it worked
	Err        error // nil if it worked
}

// Rounded keeps two digits or so of a duration: nobody reads the rest.
func Rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

package portmap

import "time"

// epoch is what a gateway's clock showed, in seconds since it forgot its
// mappings for the last time, and when it was read.
type epoch struct {
	seconds uint32
	read    time.Time
}

// continues reports whether a gateway that showed prev and shows e now has
// kept its mappings in between: RFC 6887, 8.5. The allowances are for clocks
// that run 1/16 too fast or too slow, and for answers that overtook another.
func (e epoch) continues(prev epoch) bool {
	if prev.read.IsZero() {
		return true
	}
	if int64(e.seconds) < int64(prev.seconds)-1 {
		return false
	}
	ours := int64(e.read.Sub(prev.read) / time.Second)
	theirs := int64(e.seconds) - int64(prev.seconds)
	return ours+2 >= theirs-theirs/16 && theirs+2 >= ours-ours/16
}

package memnet

import "time"

// deadline is one of a connection's or listener's deadlines.
type deadline struct {
	timer  *event
	passed bool
}

// set moves the deadline to t, which is never for the zero time, and calls
// expired when it passes. The lock is held.
func (d *deadline) set(n *Network, t time.Time, expired func()) {
	d.clear(n)
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		expired()
		return
	}
	d.timer = n.after(wait, func() {
		d.passed = true
		expired()
	})
}

// clear stops the deadline's timer.
func (d *deadline) clear(n *Network) {
	n.cancel(d.timer)
	d.timer = nil
}

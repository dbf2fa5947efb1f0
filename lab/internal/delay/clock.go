//go:build linux

package delay

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time on the clock that all processes of this machine share and
// that nobody sets.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("delay: no monotonic clock: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// sleepUntil is more exact than the timers of package time, which are up to a
// millisecond late.
func sleepUntil(t time.Duration) {
	ts := unix.NsecToTimespec(int64(t))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

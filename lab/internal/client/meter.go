//go:build linux

package client

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ftpnat/ftpnat/lab/internal/delay"
)

// meter measures what this process uses.
type meter struct {
	m    *Measured
	cpu  time.Duration
	idle int64
}

func newMeter(m *Measured) *meter {
	// The peak is forgotten, so that what came before does not hide what
	// comes.
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	s := &meter{m: m, idle: peakMemory()}
	s.cpu, m.From = cpuTime(), delay.Now()
	return s
}

func (s *meter) stop() {
	s.m.To = delay.Now()
	s.m.CPU = cpuTime() - s.cpu
	s.m.Memory = peakMemory() - s.idle
}

// cpuTime is what the scheduler has counted for all threads, in nanoseconds.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic("client: no clock of this process: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// peakMemory is the most that was resident.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	var kib int64
	fmt.Sscan(string(rest), &kib)
	return kib << 10
}

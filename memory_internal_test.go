package ftpnat

import (
	"runtime"
	"testing"
)

var globalDialer Dialer

// TestMemoryOf keeps a memory for each Dialer, and no longer than it.
func TestMemoryOf(t *testing.T) {
	count := func() (n int) {
		memories.Range(func(any, any) bool { n++; return true })
		return n
	}
	a, b := new(Dialer), new(Dialer)
	of := map[*Dialer]*MemoryMap{a: memoryOf(a), b: memoryOf(b), &globalDialer: memoryOf(&globalDialer)}
	for d, m := range of {
		if memoryOf(d) != m || d != a && m == of[a] {
			t.Error("a memory is shared or lost")
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	for range 100 {
		memoryOf(new(Dialer))
	}
	for range 1000 {
		if runtime.GC(); count() < 50 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d memories are kept", count())
}

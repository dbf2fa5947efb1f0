package path

import (
	"runtime"
	"testing"
)

type owner struct{ _ int }

var (
	globalOwner owner
	memories    Beside[owner, map[string]int]
)

// TestBeside keeps a memory for each owner, and no longer than it.
func TestBeside(t *testing.T) {
	count := func() (n int) {
		memories.all.Range(func(any, any) bool { n++; return true })
		return n
	}
	a, b := new(owner), new(owner)
	of := map[*owner]*map[string]int{a: memories.Of(a), b: memories.Of(b), &globalOwner: memories.Of(&globalOwner)}
	for d, m := range of {
		if memories.Of(d) != m || d != a && m == of[a] {
			t.Error("a memory is shared or lost")
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	for range 100 {
		memories.Of(new(owner))
	}
	for range 1000 {
		if runtime.GC(); count() < 50 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d memories are kept", count())
}

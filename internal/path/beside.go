package path

import (
	"runtime"
	"sync"
	"weak"
)

// Beside keeps a new V for each K, as long as that lives. Its zero value is ready.
type Beside[K, V any] struct {
	all sync.Map // weak.Pointer[K] to *V
}

// Of returns what is kept for k.
func (b *Beside[K, V]) Of(k *K) *V {
	key := weak.Make(k)
	if v, ok := b.all.Load(key); ok {
		return v.(*V)
	}
	v, known := b.all.LoadOrStore(key, new(V))
	if !known {
		runtime.AddCleanup(k, func(key weak.Pointer[K]) { b.all.Delete(key) }, key)
	}
	return v.(*V)
}

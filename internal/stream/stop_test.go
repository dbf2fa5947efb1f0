package stream

import (
	"testing"
	"testing/synctest"
)

// TestStopGivesBack stops a Reader in the middle: nothing of it is left to be
// revoked, and a second Stop does nothing.
func TestStopGivesBack(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		r := w.reader(t)
		for range 2 {
			if _, err := r.Read(w.ctx, make([]byte, 100), 0); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				r.Stop(w.ctx)
				synctest.Wait()
				if r.run != nil {
					t.Fatal("the transfer goes on")
				}
			}
			if err := w.look(w.ctx); err != nil {
				t.Error(err)
			}
		}
	})
}

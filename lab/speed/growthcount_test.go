//go:build linux && !race

package main

import "testing"

// TestGrowth counts what one file of a tree costs where there are a hundred and where
// there are a thousand: no more allocations, nor commands. Who of a crew waits for
// whom is chance, so that the best of three counts. The race detector allocates too.
func TestGrowth(t *testing.T) {
	tried := 0
	for _, s := range subjects(1000) {
		if s.About != aboutWalk && s.About != aboutFetch && s.About != aboutCopy {
			continue
		}
		tried++
		t.Run(s.About, func(t *testing.T) {
			var few, many growthLine
			for range 3 {
				var err error
				if few, err = s.measure(t.Context(), 100); err != nil {
					t.Fatal(err)
				}
				if many, err = s.measure(t.Context(), 1000); err != nil {
					t.Fatal(err)
				}
				if many.Allocs <= few.Allocs*flatCount && many.Command <= few.Command*flatCount {
					return
				}
			}
			t.Errorf("of 1,000 one takes %.2f allocations and %.3f commands; of 100, %.2f and %.3f", many.Allocs, many.Command, few.Allocs, few.Command)
		})
	}
	if tried != 3 {
		t.Errorf("%d subjects", tried)
	}
}

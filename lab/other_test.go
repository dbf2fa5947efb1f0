//go:build !linux

package lab

import "testing"

func TestLab(t *testing.T) {
	t.Skip("LAB SKIPPED: it needs Linux")
}

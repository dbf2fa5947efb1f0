//go:build race

package ftpnat_test

// As in sweepstep_test.go; the race detector makes it ten times as slow.
const (
	sweepStep   = 101
	sweepStride = 2
)

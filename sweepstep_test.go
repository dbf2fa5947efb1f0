//go:build !race

package ftpnat_test

const (
	// sweepStep is how many bytes apart the cuts of the control dialogue are.
	sweepStep = 1
	// sweepStride divides the offset in the data to give the next step.
	sweepStride = 12
)

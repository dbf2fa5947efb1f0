//go:build !race

package ftpnat

// sweepStep is how many bytes apart the cuts of the sweep are.
const sweepStep = 5

//go:build race

package ftpnat

// sweepStep is how many bytes apart the cuts of the sweep are: the race
// detector makes it ten times as slow.
const sweepStep = 101

//go:build linux && !race

package bulk

// memoryLimit is what a transfer may take beyond what an idle client has: much
// less than the file.
const memoryLimit = 10 << 20

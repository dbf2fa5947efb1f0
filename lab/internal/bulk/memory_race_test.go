//go:build linux && race

package bulk

// memoryLimit has room for what the race detector takes.
const memoryLimit = 40 << 20

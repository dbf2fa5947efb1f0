package memnet_test

import (
	"io"
	"testing"
)

// BenchmarkTransfer writes and reads in real time, without latency.
func BenchmarkTransfer(b *testing.B) {
	c, s, stop, err := pipe(0)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	go io.Copy(io.Discard, s)
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
}

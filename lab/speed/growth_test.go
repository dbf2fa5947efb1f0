//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if !serveScale() && !serveGrowth() {
		os.Exit(m.Run())
	}
}

// TestGrowthLines marks what is not flat, and names what was left out.
func TestGrowthLines(t *testing.T) {
	lines := []growthLine{
		{About: "files", N: 10, Wall: 100, CPU: 100, Allocs: 10, Bytes: 1000},
		{About: "files", N: 100, Wall: 140, CPU: 160, Allocs: 10.5, Bytes: 1200},
		{About: "files", N: 1000, LeftOut: time.Hour},
	}
	want := []string{"1.40", "1.60!", "1.05", "1.20!", "–"}
	if got := lines[1].ratios(lines[0], func(s string) string { return s + "!" }); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	text := string(growthMarkdown(lines))
	for _, want := range []string{"| files | 10 | 100.0 | 100.0 | 10.0 | 1000 | 0.000 |  |\n|  | 100 | 140.0 |", "| 1.40; **1.60**; 1.05; **1.20**; – |", "|  | 1000 | left out: it might take 1h0m0s |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

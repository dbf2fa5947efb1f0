//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "speed: the laboratory needs Linux")
	os.Exit(1)
}

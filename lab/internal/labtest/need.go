// Package labtest is for the tests of the laboratory.
package labtest

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Need skips the test on a machine that cannot run it, for any of the reasons;
// in continuous integration that is a failure. Reasons that are nil do not
// count.
func Need(t testing.TB, reasons ...error) {
	t.Helper()
	err := errors.Join(reasons...)
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("the lab must run here: %v", err)
	}
	t.Skipf("LAB SKIPPED: %v", err)
}

// Skipped says, to whoever has started go test, that the laboratory has not run:
// go test shows nothing that a package prints whose tests have passed.
func Skipped(why error) {
	if os.Getenv("CI") == "true" {
		return // it has failed
	}
	// The mark by which go test puts [no tests to run] beside the package.
	fmt.Print("\ntesting: warning: no tests to run\n")
	out, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", os.Getppid()), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return // the mark is there
	}
	defer out.Close()
	fmt.Fprintf(out, "LAB SKIPPED: real servers and real NATs were not tested: %v\n", why)
}

// Package labtest is for the tests of the laboratory.
package labtest

import (
	"errors"
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

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// partialError says that a part of what was to be done was not.
type partialError struct {
	done   string // the verb
	failed []error
	left   int // not tried
}

func newPartial(done string, failed []error) error { return &partialError{done: done, failed: failed} }

func (e *partialError) Error() string {
	text := fmt.Sprintf("not complete: %s could not be %s", count(len(e.failed), "file"), e.done)
	if len(e.failed) == 1 {
		text += " (" + failure(e.failed[0]) + ")"
	}
	if e.left > 0 {
		text += fmt.Sprintf(", and %s not tried", count(e.left, "file"))
	}
	return text
}

func (e *partialError) Unwrap() []error { return e.failed }

// failure is a file that failed, on one line.
func failure(err error) string {
	parts := []string{detail(err)}
	if w := codeOf(err).word(); w != "" {
		parts = append([]string{w}, parts...)
	}
	if name := where(err); name != "" {
		parts = append([]string{name}, parts...)
	}
	return strings.Join(parts, ": ")
}

// partSuffix ends the names of local files that are not complete. Such a file
// has the time of the file that it is a part of, so that the next run can tell
// whether it is still the same.
const partSuffix = ".ftpnat-part"

// partName is the name under which a file is written until it is complete. File
// systems end names at 255 bytes.
func partName(name string) string {
	dir, base := path.Split(name)
	const most = 200
	if len(base) > most {
		sum := sha256.Sum256([]byte(base))
		base = base[:most] + hex.EncodeToString(sum[:4])
	}
	return dir + "." + base + partSuffix
}

func isPart(name string) bool { return strings.HasSuffix(name, partSuffix) }

//go:build linux

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// mutant is one change of one file.
type mutant struct {
	pkg    *pkg
	source *source
	fn     string // function that is changed
	kind   string // of the change
	line   int
	edits  []edit
	broken error // why it does not compile
}

// edit replaces the bytes between two offsets of a file.
type edit struct {
	from, to int
	text     string
}

// text returns the changed file.
func (m *mutant) text() []byte {
	edits := slices.Clone(m.edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, m.source.text[at:e.from]...)
		out = append(out, e.text...)
		at = e.to
	}
	return append(out, m.source.text[at:]...)
}

// diff returns the lines before and after, from the first that differs to the
// last, without their indentation.
func (m *mutant) diff() (before, after []string) {
	before, after = lines(m.source.text), lines(m.text())
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	return before, after
}

func lines(text []byte) []string {
	all := strings.Split(string(text), "\n")
	for i, line := range all {
		all[i] = strings.TrimSpace(line)
	}
	return all
}

// key is the same for the same change, wherever in its function it is now.
func (m *mutant) key() string {
	before, after := m.diff()
	return keyOf(m.source.name, m.fn, before, after)
}

func keyOf(file, fn string, before, after []string) string {
	return file + "\n" + fn + "\n" + diffText(before, after)
}

func diffText(before, after []string) string {
	var b strings.Builder
	for _, line := range before {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for _, line := range after {
		fmt.Fprintf(&b, "+ %s\n", line)
	}
	return b.String()
}

// id identifies the changed file.
func (m *mutant) id() string {
	sum := sha256.Sum256(append([]byte(m.source.name+"\n"), m.text()...))
	return hex.EncodeToString(sum[:16])
}

// place says where the mutant is, as survivors.txt does.
func (m *mutant) place() string {
	return fmt.Sprintf("%s:%d %s", m.source.name, m.line, m.fn)
}

// String returns the mutant as survivors.txt has it, without a reason.
func (m *mutant) String() string {
	before, after := m.diff()
	return m.place() + ": " + m.kind + "\n" + diffText(before, after)
}

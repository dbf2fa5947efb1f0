//go:build linux

package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The module that is mutated in the tests. Its own tests know everything of Max
// but what it does with equal numbers, those of its root half of Half, and none
// anything of Lock.
var sample = map[string]string{
	"go.mod": "module example.org/sample\n\ngo 1.26\n",
	"root_test.go": `package sample

import (
	"testing"

	"example.org/sample/calc"
)

func TestHalf(t *testing.T) {
	if _, err := calc.Half(3); err == nil {
		t.Error("no error")
	}
}
`,
	"calc/calc.go": `package calc

import "errors"

// Max has an equivalent mutant.
func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func Half(n int) (int, error) {
	if n%2 != 0 {
		return 0, errors.New("odd")
	}
	return n / 2, nil
}

type Door struct{ locked bool }

func (d *Door) Lock() {
	d.locked = true
}

func Sum(n int) (sum int) {
	for i := 0; i < n; i++ {
		sum += i
	}
	return sum
}
`,
	"calc/calc_test.go": `package calc

import "testing"

func TestMax(t *testing.T) {
	if Max(1, 2) != 2 || Max(2, 1) != 2 {
		t.Error("not the greater one")
	}
	if Sum(3) != 3 {
		t.Error("not the sum")
	}
}
`,
}

func writeSample(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range sample {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	return dir
}

// TestMutants lists all mutants of each function.
func TestMutants(t *testing.T) {
	packages, err := load(t.Context(), writeSample(t), []string{"calc"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Max": `
			swap: if a >= b {
			swap: if a <= b {
			always: if true || a > b {
			never: if false && (a > b) {
			return: _ = a; return 0
			return: _ = b; return 0
			remove: if false { return b } !`,
		"Half": `
			swap: if n%2 == 0 {
			swap: if n*2 != 0 {
			always: if true || n%2 != 0 {
			never: if false && (n%2 != 0) {
			return: _ = errors.New("odd"); return 0, nil
			swap: return n * 2, nil
			return: _ = n / 2; return 0, nil
			remove: if false { return n / 2, nil } !`,
		"Door.Lock": `
			swap: d.locked = false
			remove: if false { d.locked = true }`,
		"Sum": `
			swap: for i := 0; i <= n; i++ {
			swap: for i := 0; i >= n; i++ {
			never: for i := 0; false && (i < n); i++ {
			swap: for i := 0; i < n; i-- {
			swap: sum -= i
			remove: if false { sum += i }
			return: _ = sum; return 0
			remove: if false { return sum } !`,
	} {
		wanted := map[string]bool{}
		for line := range strings.Lines(strings.TrimSpace(want)) {
			wanted[strings.TrimSpace(line)] = true
		}
		for _, m := range packages[0].mutants(regexp.MustCompile(""), regexp.MustCompile("^"+name+"$")) {
			_, after := m.diff()
			got := m.kind + ": " + strings.Join(after, " ")
			if packages[0].compiles(m) != nil {
				got += " !"
			}
			if !wanted[got] {
				t.Errorf("%s has an unexpected mutant %s", name, got)
			}
			delete(wanted, got)
		}
		for missing := range wanted {
			t.Errorf("%s lacks the mutant %s", name, missing)
		}
	}
}

// TestChoose has the same sample come of the same seed.
func TestChoose(t *testing.T) {
	packages, err := load(t.Context(), writeSample(t), []string{"calc"})
	if err != nil {
		t.Fatal(err)
	}
	p, any := packages[0], regexp.MustCompile("")
	ids := func(n int, seed uint64) (all string) {
		compiled := 0
		for _, m := range p.choose(p.mutants(any, any), n, seed) {
			all += m.id() + " "
			if m.broken == nil {
				compiled++
			}
		}
		if compiled != n {
			t.Errorf("%d mutants that compile, want %d", compiled, n)
		}
		return all
	}
	first, again := ids(5, 1), ids(5, 1)
	if first != again || first == ids(5, 2) || !strings.HasPrefix(ids(7, 1), first) {
		t.Error("a sample is not of its seed")
	}
}

func mutate(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	err = run(t.Context(), args, &b)
	return b.String(), err
}

// TestRun tries the mutants of the sample by its own tests and by those of the
// root, twice, and once more with the survivors known.
func TestRun(t *testing.T) {
	dir := writeSample(t)
	cache, known := filepath.Join(dir, "cache", "c.json"), filepath.Join(dir, "known.txt")
	args := []string{"-C", dir, "-packages", "calc", "-funcs", "Max|Half|Lock", "-root", "^TestHalf$",
		"-cache", cache, "-known", known, "-least", "60", "-workers", "2"}
	out, err := mutate(t, args...)
	if err == nil || !strings.Contains(err.Error(), "percent") {
		t.Errorf("run = %v", err)
	}
	for _, want := range []string{
		"calc/calc.go:7 Max swap: killed by TestMax",
		"calc/calc.go:14 Half never: killed by TestHalf",
		"calc/calc.go:23 Door.Lock: swap\n- d.locked = true\n+ d.locked = false\n",
		"calc/calc.go:7 Max: swap\n- if a > b {\n+ if a >= b {\n",
		"calc/calc.go:17 Half: swap\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	again, _ := mutate(t, args...)
	if table(again) != table(out) {
		t.Errorf("a second run has found\n%s\nthe first\n%s", table(again), table(out))
	}
	survivors := `# comment

calc/calc.go:99 Max: equivalent: both
are the same
- if a > b {
+ if a >= b {

calc/calc.go Max: it is killed
- if a > b {
+ if a <= b {
`
	if err := os.WriteFile(known, []byte(survivors), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = mutate(t, append(args, "-least", "50")...)
	if err != nil || !strings.Contains(out, "calc/calc.go:7 Max swap: both are the same\n") || !strings.Contains(out, "line 8 of the known survivors is out of date") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// table returns the end of a report.
func table(out string) string {
	_, rest, _ := strings.Cut(out, "\npackage ")
	return rest
}

// TestLimit has a mutant that never ends be killed, and tests that fail without
// a change be refused.
func TestLimit(t *testing.T) {
	dir := writeSample(t)
	args := []string{"-C", dir, "-packages", "calc", "-funcs", "Sum", "-cache", filepath.Join(dir, "c.json"), "-known", "", "-limit", "1s", "-root", "-"}
	loop := strings.Replace(sample["calc/calc.go"], "i < n; i++", "i < n; i += 1", 1)
	if err := os.WriteFile(filepath.Join(dir, "calc", "calc.go"), []byte(loop), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := mutate(t, args...)
	if err != nil || !strings.Contains(out, "Sum swap: killed by the time limit") {
		t.Errorf("%v:\n%s", err, out)
	}
	broken := strings.Replace(loop, "return b", "return b + 1", 1)
	if err := os.WriteFile(filepath.Join(dir, "calc", "calc.go"), []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mutate(t, args...); err == nil || !strings.Contains(err.Error(), "fail without a change: TestMax") {
		t.Errorf("run = %v", err)
	}
}

func TestParseKnown(t *testing.T) {
	for _, text := range []string{"a.go f", "a.go f: why", "a.go f: \n- x\n+ y", "what\n- x"} {
		if _, err := parseKnown(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{{"-workers", "0"}, {"-n", "-1"}, {"-files", "("}, {"-root", "("}, {"more"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("no error for %q", args)
		}
	}
	if _, err := parse([]string{"-h"}, io.Discard); err != flag.ErrHelp {
		t.Errorf("-h: %v", err)
	}
}

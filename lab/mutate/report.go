//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report is what a run has found.
type report struct {
	counts    []*count // by package, then of all
	survivors []result // that are not known
	known     []string // survivors with a reason
	wrong     []string // known ones that were killed
}

// count counts the outcomes of a package's mutants.
type count struct {
	name                                  string
	killed, survived, equivalent, invalid int
}

// percent returns how many of the mutants that can be killed are. Those that
// cannot are left out only if survivors.txt calls them equivalent.
func (c *count) percent() float64 {
	if c.killed+c.survived == 0 {
		return 100
	}
	return 100 * float64(c.killed) / float64(c.killed+c.survived)
}

func newReport(results []result, known map[string]survivor) *report {
	r := &report{}
	all := &count{name: "all"}
	byName := map[string]*count{}
	for _, result := range results {
		name := result.pkg.path
		if byName[name] == nil {
			byName[name] = &count{name: name}
			r.counts = append(r.counts, byName[name])
		}
		reason, isKnown := known[result.key()]
		for _, c := range []*count{byName[name], all} {
			c.add(result.outcome, reason.equivalent)
		}
		switch {
		case result.Killed && isKnown:
			r.wrong = append(r.wrong, fmt.Sprintf("%s is killed by %s: line %d of the known survivors is out of date", result.place(), result.By, reason.line))
		case result.Killed || !result.Compiled:
		case isKnown:
			r.known = append(r.known, fmt.Sprintf("%s %s: %s", result.place(), result.kind, reason.reason))
		default:
			r.survivors = append(r.survivors, result)
		}
	}
	r.counts = append(r.counts, all)
	slices.SortFunc(r.survivors, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.source.name, b.source.name), a.line-b.line)
	})
	slices.Sort(r.known)
	return r
}

func (c *count) add(o outcome, equivalent bool) {
	switch {
	case !o.Compiled:
		c.invalid++
	case o.Killed:
		c.killed++
	case equivalent:
		c.equivalent++
	default:
		c.survived++
	}
}

// print prints the report. It returns an error if too few mutants are killed.
func (r *report) print(w io.Writer, least float64) error {
	if len(r.survivors) > 0 {
		fmt.Fprintf(w, "\nSurvivors:\n\n")
	}
	for _, s := range r.survivors {
		fmt.Fprintf(w, "%s\n", s.mutant)
	}
	if len(r.known) > 0 {
		fmt.Fprintf(w, "\nKnown survivors:\n\n")
	}
	for _, line := range r.known {
		fmt.Fprintln(w, line)
	}
	for _, line := range r.wrong {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "package\tkilled\tsurvived\tequivalent\tnot compiled\tpercent")
	for _, c := range r.counts {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.1f\n", c.name, c.killed, c.survived, c.equivalent, c.invalid, c.percent())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if all := r.counts[len(r.counts)-1]; all.percent() < least {
		return fmt.Errorf("%.1f percent of the mutants are killed, at least %g must be", all.percent(), least)
	}
	return nil
}

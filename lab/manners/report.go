//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// outcome is what a row came to.
type outcome struct {
	row      row
	findings []finding
	log      string // of the server
}

// verdict is what is said of a finding.
type verdict string

const (
	works      verdict = "works"
	refusedBy  verdict = "refused"  // the server's doing, as the row says
	knownFault verdict = "known"    // the library's, as the row says
	needless   verdict = "needless" // an error that the row does not say
	untrue     verdict = "untrue"   // the server does otherwise than it says, as the row says
	silent     verdict = "WRONG"    // it is not so, and the row does not say it
)

func (o *outcome) judge(f finding) verdict {
	refuses := expects(o.row.Refuses, f.key()) || expects(refusals[o.row.Server], f.key()) || expects(everywhere, f.key())
	switch {
	case f.State == fine:
		return works
	case f.State == refused && refuses:
		return refusedBy
	case expects(o.row.Known, f.key()):
		return knownFault
	case expects(o.row.Untrue, f.key()) || expects(falsehoods[o.row.Server], f.key()):
		return untrue
	case expects(faults[o.row.Server], f.key()):
		return knownFault
	case f.State == wrong:
		return silent
	}
	return needless
}

// print prints what did not work, what ends alike together, and returns how
// much of that the row does not say.
func (o *outcome) print(w io.Writer, dialogue bool) (bad int) {
	var elapsed time.Duration
	count := make(map[verdict]int)
	for _, f := range o.findings {
		elapsed += f.Elapsed
		count[o.judge(f)]++
	}
	fmt.Fprintf(w, "%s: %d work, %d refused, %d untrue, %d known, %d needless, %d WRONG, %.1f s\n", o.row.Name(),
		count[works], count[refusedBy], count[untrue], count[knownFault], count[needless], count[silent], elapsed.Seconds())
	for _, g := range o.groups() {
		fmt.Fprintf(w, "\t%-8s %s (%s) [%s] %s\n", g.verdict, g.first.Check, strings.Join(g.whats, ", "), g.first.Kind, g.first.Text)
		if dialogue && g.verdict != refusedBy && g.verdict != untrue {
			fmt.Fprintf(w, "\t\t%s\n", strings.Join(g.first.Trace, "\n\t\t"))
		}
	}
	for _, p := range o.mended() {
		fmt.Fprintf(w, "\tmended   %s\n", p)
	}
	for _, f := range o.findings {
		if f.Elapsed > slow {
			fmt.Fprintf(w, "\tslow     %s: %.1f s\n", f.key(), f.Elapsed.Seconds())
			if dialogue && o.judge(f) == works {
				fmt.Fprintf(w, "\t\t%s\n", strings.Join(f.Trace, "\n\t\t"))
			}
		}
	}
	return count[needless] + count[silent]
}

// mended returns what the row knows as a fault of the library and what is none any
// longer.
func (o *outcome) mended() []string {
	return slices.DeleteFunc(slices.Clone(o.row.Known), func(p string) bool {
		return slices.ContainsFunc(o.findings, func(f finding) bool { return f.State != fine && expects([]string{p}, f.key()) })
	})
}

// slow is what takes longer than a server of the laboratory gives reason for.
const slow = 3 * time.Second

// group is findings of one check that ended alike.
type group struct {
	verdict verdict
	whats   []string
	first   finding
}

// groups returns what did not work, in the order of the suite.
func (o *outcome) groups() []*group {
	var all []*group
	at := make(map[string]*group)
	for _, f := range o.findings {
		v := o.judge(f)
		if v == works {
			continue
		}
		key := fmt.Sprint(f.Check, v, f.Kind, f.State)
		g := at[key]
		if g == nil {
			g = &group{verdict: v, first: f}
			at[key] = g
			all = append(all, g)
		}
		g.whats = append(g.whats, f.What)
	}
	return all
}

// heading returns the first two lines of the table.
func heading() string {
	var b strings.Builder
	b.WriteString("| server | configuration | what is odd |")
	for _, c := range suite {
		b.WriteString(" " + c.name + " |")
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(suite)) + "\n")
	return b.String()
}

// begins is how the row's line in the table begins.
func (r row) begins() string { return fmt.Sprintf("| %s | %s | %s |", r.Server, code(r.Config), r.Odd) }

// table returns the table.
func table(all []*outcome) []byte {
	var b bytes.Buffer
	b.WriteString(heading())
	for _, o := range all {
		b.WriteString(o.row.begins())
		for _, c := range suite {
			b.WriteString(" " + o.cell(c.name) + " |")
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// reasons returns what is refused, and how, for below the table.
func reasons(all []*outcome) []byte {
	var b bytes.Buffer
	b.WriteString("\nWhat is not a yes, with the reply's code and the kind that `errors.Is` sees:\n\n")
	for _, o := range all {
		if lines := o.refusals(); len(lines) > 0 {
			fmt.Fprintf(&b, "- **%s**: %s.\n", o.row.Name(), strings.Join(lines, "; "))
		}
	}
	return b.Bytes()
}

func code(config string) string {
	if config == "" {
		return "as it comes"
	}
	return "`" + config + "`"
}

// cell is how a check ended: all of it, some of it, nothing; in bold where that
// is the library's fault.
func (o *outcome) cell(check string) string {
	var all, good, faults int
	for _, f := range o.findings {
		if f.Check != check {
			continue
		}
		all++
		switch o.judge(f) {
		case works:
			good++
		case knownFault, needless, silent:
			faults++
		}
	}
	text := fmt.Sprintf("%d/%d", good, all)
	if good == all {
		text = "yes"
	}
	if faults > 0 {
		text = "**" + text + "**"
	}
	return text
}

// refusals says what did not work.
func (o *outcome) refusals() []string {
	var lines []string
	for _, g := range o.groups() {
		reason := g.first.Kind
		switch g.verdict {
		case refusedBy:
		case untrue:
			reason = "untrue (" + shorten(g.first.Text) + ")"
		default:
			reason = fmt.Sprintf("**%s** (%s)", strings.ToLower(string(g.verdict)), shorten(g.first.Text))
		}
		lines = append(lines, fmt.Sprintf("%s (%s): %s", g.first.Check, escape(list(g.whats)), reason))
	}
	return lines
}

// list returns names, of many only the first.
func list(names []string) string {
	const most = 6
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// escape keeps Markdown from reading names.
func escape(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "[", "\\[", "<", "&lt;", "`", "\\`", "\t", "\\t", "~", "\\~", "$", "\\$").Replace(s)
}

// random is what differs from run to run.
var random = regexp.MustCompile(`\.[a-z0-9]{8}\.part|/tmp/ftpnat-lab-[a-z]+-[0-9]+`)

func shorten(text string) string {
	text = random.ReplaceAllString(strings.ReplaceAll(text, "\n", "; "), "...")
	if r := []rune(text); len(r) > 160 {
		text = string(r[:160]) + "..."
	}
	return escape(text)
}

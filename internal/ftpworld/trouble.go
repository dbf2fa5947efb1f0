package ftpworld

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// A Trouble is something that goes wrong: a command that is lost, refused or not
// answered, or data that is broken off.
type Trouble struct {
	Name   string
	Steps  []ftptest.Step
	Faults []ftptest.Fault
}

// Troubles returns what can go wrong with each of some commands, in the order in which
// they came, the first time and always.
func Troubles(commands []string) (all []Trouble) {
	seen := make(map[string]int)
	for _, verb := range commands {
		seen[verb]++
		for _, step := range []ftptest.Step{
			{Reply: ftptest.None, Then: ftptest.Reset}, {Reply: ftptest.None}, {Reply: "500 What?"}, {Reply: "550 No."}, {Reply: "451 Later."}, {Reply: "421 Bye.", Then: ftptest.Cut},
			{Final: ftptest.None, Then: ftptest.Reset}, {Final: "451 Later."}, {Final: "552 Full."}, {Final: "226 Fine.", Then: ftptest.Cut},
		} {
			if step.Final != "" && !slices.Contains([]string{"RETR", "STOR", "APPE", "LIST", "MLSD", "NLST"}, verb) {
				continue
			}
			name := fmt.Sprint(verb, " ", seen[verb], ", ", trouble(step))
			step.On, step.Nth = verb, seen[verb]
			all = append(all, Trouble{Name: name, Steps: []ftptest.Step{step}})
			if seen[verb] == 1 && (step.Reply == "" || step.Then == ftptest.Keep && step.Reply != ftptest.None) {
				// Connections that are lost always are a matter of pauses.
				step.Nth = 0
				all = append(all, Trouble{Name: name + " always", Steps: []ftptest.Step{step}})
			}
		}
	}
	return all
}

// trouble says what a step does to a command.
func trouble(st ftptest.Step) string {
	name := strings.TrimPrefix(st.Reply+st.Final, ftptest.None)
	switch {
	case st.Then == ftptest.Reset:
		name += "reset"
	case st.Then == ftptest.Cut:
		name += " closed"
	case st.Reply == ftptest.None:
		name += "silence"
	}
	if st.Final != "" {
		name += " at its end"
	}
	return name
}

// DataTroubles returns the ways in which some bytes of data can be broken off, on the
// first connection and on each.
func DataTroubles(dir ftptest.Direction, size int) (all []Trouble) {
	for kind, name := range []string{ftptest.Reset: "reset", ftptest.Cut: "closed", ftptest.Drained: "ended by a box"} {
		for _, after := range []int{0, 500, 70_000} {
			if name == "" || after >= size {
				continue
			}
			f := ftptest.Fault{On: ftptest.Data, Conn: 1, Dir: dir, After: int64(after), Kind: ftptest.Ending(kind)}
			name := fmt.Sprint("data ", name, " after ", after)
			all = append(all, Trouble{Name: name, Faults: []ftptest.Fault{f}})
			f.Conn = 0
			all = append(all, Trouble{Name: name + " always", Faults: []ftptest.Fault{f}})
		}
	}
	return all
}

// Sent returns the commands on all control connections but those of logins and idle
// times, and those that ask for a data connection.
func Sent(s *ftptest.Server) (verbs []string) {
	for _, d := range s.Transcript() {
		for _, verb := range d.Verbs() {
			switch verb {
			case "USER", "PASS", "FEAT", "TYPE", "OPTS", "EPSV", "PASV", "PWD", "SYST", "NOOP":
			default:
				verbs = append(verbs, verb)
			}
		}
	}
	return verbs
}

// Outcome describes what came of something, for a table: an error by what it is, of
// those that are given, and how often which commands came, in the order of the first
// ones. Where there are many, how many there are is a matter of pauses.
func Outcome(err error, code int, kinds []error, commands []string) string {
	var b strings.Builder
	b.WriteString("nil")
	if err != nil {
		b.Reset()
		for _, k := range kinds {
			if errors.Is(err, k) {
				b.WriteString(k.Error() + ", ")
			}
		}
		fmt.Fprint(&b, code)
	}
	b.WriteString(";")
	var order []string
	times := make(map[string]int)
	for _, verb := range commands {
		if times[verb]++; times[verb] == 1 {
			order = append(order, verb)
		}
	}
	for _, verb := range order {
		b.WriteString(" " + verb)
		switch n := times[verb]; {
		case n > 4:
			b.WriteString(" many")
		case n > 1:
			fmt.Fprint(&b, " ", n)
		}
	}
	return b.String()
}

// A Table says what came of jobs, in a form that can be kept in a file. Its zero value
// is empty.
type Table struct{ b strings.Builder }

// Job adds a job: what came of it undisturbed, and of each trouble by try. Troubles
// of which the same came share a line.
func (t *Table) Job(name, plain string, troubles []Trouble, try func(Trouble) string) {
	fmt.Fprintf(&t.b, "%s: %s\n", name, plain)
	var order []string
	same := make(map[string][]string)
	for _, tr := range troubles {
		what := try(tr)
		if same[what] == nil {
			order = append(order, what)
		}
		same[what] = append(same[what], tr.Name)
	}
	for _, what := range order {
		fmt.Fprintf(&t.b, "    %s\n        %s\n", what, strings.Join(same[what], " | "))
	}
}

// Compare compares the table with the one in a file, or writes that.
func (t *Table) Compare(tb testing.TB, file string, update bool) {
	tb.Helper()
	if update {
		if err := os.WriteFile(file, []byte(t.b.String()), 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	want, head := strings.Split(string(golden), "\n"), ""
	for i, line := range strings.Split(t.b.String(), "\n") {
		if !strings.HasPrefix(line, " ") {
			head = line
		}
		if i >= len(want) || line != want[i] {
			tb.Fatalf("%s\n%s\nwant\n%s\n(go test -update writes what is meant to be so)", head, line, want[min(i, len(want)-1)])
		}
	}
}

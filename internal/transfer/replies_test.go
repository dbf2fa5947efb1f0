package transfer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// oddReplies are what a server may say to a command that transfers, beside what it
// usually does: replies that belong to something else, none, and refusals that come
// before the 150, in its place or at the end.
func oddReplies(verb string) (all []ftpworld.Trouble) {
	add := func(name string, step ftptest.Step) {
		step.On = verb
		for _, nth := range []int{1, 0} {
			step.Nth = nth
			if nth == 0 {
				name += ", always"
			}
			all = append(all, ftpworld.Trouble{Name: name, Steps: []ftptest.Step{step}})
		}
	}
	for _, stray := range []string{"200 Ok.", "226 Done.", "150 Here.", "350 What?"} {
		add("after "+stray, ftptest.Step{Before: stray})
		add("after "+stray+", and it breaks", ftptest.Step{Before: stray, Final: "451 Broken."})
	}
	for n := 1; n <= 5; n++ {
		add(fmt.Sprint(n, " strays and 550"), ftptest.Step{Raw: strings.Repeat("200 Ok.\r\n", n) + "550 No.\r\n"})
		add(fmt.Sprint(n, " strays and 226"), ftptest.Step{Raw: strings.Repeat("226 Done.\r\n", n)})
	}
	for _, final := range []string{"226 Done.", "250 Done.", "225 Done.", "200 Done.", "451 Later.", "552 Full.", "425 No.", "426 Broken."} {
		add("no 150, "+final, ftptest.Step{Preliminary: ftptest.None, Final: final})
	}
	for _, r := range []string{
		"425 No.", "426 No.", "425 TLS session of data connection has not resumed or the session does not match the control connection.",
		"522 Protection.", "421 Busy.", "226 Nothing there.", "200 What?", "350 What?", "551 Wants PASV; or PORT.", "503 Bad sequence: PORT first.", "425 Use PORT or PASV first.",
		"425 Bad IP connecting.", "425 Cannot open data connection for 203.0.113.2", "451 file: Append/Restart not permitted, try again", "530 Log in.",
	} {
		add(r, ftptest.Step{Reply: r})
		add("150 and "+r, ftptest.Step{After150: r})
		add(r+" at the end", ftptest.Step{Final: r})
		add("early "+r, ftptest.Step{Early: true, Final: r})
	}
	return all
}

// TestReplies has the server answer the commands of jobs oddly, in some places. What
// comes of it is in testdata/replies.txt.
func TestReplies(t *testing.T) {
	var table ftpworld.Table
	all := places(t)
	verbs := map[string]string{"get": "RETR", "get, checked": "RETR", "get the end": "RETR", "list": "LIST", "put": "STOR", "put, append": "APPE"}
	for _, place := range []struct{ name, jobs string }{
		{"vsftpd", "get, get the end, list, put, put, append"}, {"plain", "get, checked, put"}, {"pyftpdlib", "get"}, {"one by one", "get, get the end, list, put"},
		{"active", "get, put"}, {"TLS", "get, put"},
	} {
		for _, j := range jobs {
			if verbs[j.name] == "" || !strings.Contains(place.jobs+", ", j.name+", ") {
				continue
			}
			plain, _ := outcome(t, place.name, all[place.name], ftpworld.Trouble{}, j.do)
			troubles := slices.DeleteFunc(oddReplies(verbs[j.name]), func(tr ftpworld.Trouble) bool {
				// The data connection and its end come in the same moment as a reply there.
				step := tr.Steps[0]
				return place.name == "TLS" && step.Nth == 0 || place.name == "active" && (step.Before != "" || step.Early || step.After150 != "" || step.Preliminary != "")
			})
			table.Job(place.name+", "+j.name, plain, troubles, func(tr ftpworld.Trouble) string {
				what, _ := outcome(t, place.name, all[place.name], tr, j.do)
				return what
			})
		}
	}
	table.Compare(t, filepath.Join("testdata", "replies.txt"), *update)
}

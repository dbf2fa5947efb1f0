//go:build linux

package lab

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// probeLimit is the longest that a person should wait for a report.
const probeLimit = 30 * time.Second

// What several reports advise.
const (
	firstWorks = "EPSV works: there is nothing to be changed."
	onlyActive = "Only active mode works"
	openRange  = "its administrator has to open (and, behind a NAT, forward) the server's passive port range"
)

// probeAdvice has for each path a phrase of each piece of advice, in order.
var probeAdvice = map[string][]string{
	"direct":                        {firstWorks},
	"masquerade":                    {firstWorks},
	"port-resets":                   {firstWorks, "cuts the control connection at PORT and EPRT"},
	"port-resets-active-first":      {"EPSV works, and is found after PORT", "cuts the control connection at PORT:"},
	"epsv-resets":                   {"PASV works, and is found after EPSV", "cuts the control connection at EPSV:"},
	"epsv-swallowed":                {"PASV works, and is found after EPSV", "swallows EPSV:"},
	"229-port-dropped":              {"PASV works, and is found after EPSV"},
	"server-dnat":                   {"PASV works, and is found after EPSV", "an address of its own network. It was passed over"},
	"active-only":                   {"PORT works, and is found after EPSV and PASV", onlyActive, openRange},
	"active-only-helper":            {"PORT works, and is found after EPSV and PASV", onlyActive, openRange, "FTP helper"},
	"active-only-forwarded":         {"PORT works, and is found after EPSV and PASV", onlyActive, openRange},
	"227-names-dead-address":        {"PASV works, and is found after EPSV"},
	"one-per-client-epsv-swallowed": {"PASV works, and is found after EPSV", "swallows EPSV:"},
	"nothing-works":                 {openRange, "set Dialer.PublicAddr and Dialer.ListenPorts"},
}

// TestProbe has ftpnat say what is on each path, which is compared with what is
// there, and what is to be done.
func TestProbe(t *testing.T) {
	needLab(t)
	for _, p := range append(paths.Solvable(), paths.NothingWorks) {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			l := build(t, p, servers.Vsftpd)
			r := l.run(client.Job{Kind: client.Report})
			if r.Err != "" {
				t.Fatal(r.Err)
			}
			if r.Elapsed > probeLimit || r.Diagnosis.Stopped != "" {
				t.Errorf("took %v, want at most %v; not all was tried because: %q", r.Elapsed, probeLimit, r.Diagnosis.Stopped)
			}
			l.checkModes(r)
			l.checkFindings(r.Diagnosis)
			if !slices.EqualFunc(r.Diagnosis.Advice, probeAdvice[p.Name], strings.Contains) {
				t.Errorf("the advice is %q, want it to say %q", r.Diagnosis.Advice, probeAdvice[p.Name])
			}
		})
	}
}

// checkModes compares what is reported to work, and to cost the control
// connection, with what the path does to each way.
func (l *laboratory) checkModes(r *client.Result) {
	l.t.Helper()
	ways := l.place.Path.Ways.ByWay()
	delete(ways, client.WayPASVAdvertised)
	if l.place.Path.Settings.PublicAddr.IsValid() {
		ways[client.WayPORTPublic], ways["EPRT public"] = client.Open, client.Open
	}
	var open, works, fatal []string
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		mode, _, _ := strings.Cut(way, " ")
		if allowed := l.place.Path.Settings.Modes; allowed != nil && !slices.Contains(allowed, mode) {
			continue
		}
		switch ways[way] {
		case client.Open:
			open, works = append(open, way), append(works, mode)
		case client.Reset, client.Silent:
			fatal = append(fatal, mode)
		}
	}
	d := r.Diagnosis
	if got := l.opened(r.Attempts); !slices.Equal(got, open) {
		l.t.Errorf("data connections opened by %q, want %q", got, open)
	}
	if got := slices.Sorted(slices.Values(d.Works)); !slices.Equal(got, works) {
		l.t.Errorf("%q are said to work, want %q", got, works)
	}
	if got := slices.Sorted(slices.Values(d.Fatal)); !slices.Equal(got, fatal) {
		l.t.Errorf("%q are said to cost the control connection, want %q", got, fatal)
	}
	if want := winner(l.place.Path.Tries); d.Mode != want {
		l.t.Errorf("the mode is %q, want %q", d.Mode, want)
	}
}

// opened returns the ways by which data connections opened, in order of the
// alphabet.
func (l *laboratory) opened(attempts []client.Attempt) []string {
	var ways []string
	for _, a := range attempts {
		active := a.Mode == client.WayPORT || a.Mode == client.WayEPRT
		switch {
		case a.Cause != "OK":
		case active && !strings.HasPrefix(a.Advertised, l.net.ClientAddr.String()+":"):
			ways = append(ways, a.Mode+" public")
		default:
			ways = append(ways, a.Mode)
		}
	}
	slices.Sort(ways)
	return ways
}

// winner returns the mode that ends the tries of a path, "" if there are none.
func winner(tries []string) string {
	if len(tries) == 0 {
		return ""
	}
	mode, _, _ := strings.Cut(tries[len(tries)-1], " ")
	return mode
}

// checkFindings compares what is reported of NATs and of the address in a 227
// with what was built.
func (l *laboratory) checkFindings(d *client.Diagnosis) {
	l.t.Helper()
	p := l.place.Path
	if got := d.NAT == ftpnat.Yes; got != p.Client.Private || d.NAT == ftpnat.Unknown {
		l.t.Errorf("NAT: %v, want it to be seen: %t", d.NAT, p.Client.Private)
	}
	if want := strings.Contains(p.Client.Rules, paths.Helper); (d.Helper == ftpnat.Yes) != want {
		l.t.Errorf("helper: %v, want it to be seen: %t", d.Helper, want)
	}
	if (d.ServerNAT == ftpnat.Yes) != p.Server.Private {
		l.t.Errorf("the server's NAT: %v, want it to be seen: %t", d.ServerNAT, p.Server.Private)
	}
	var named string
	switch {
	case p.DeadPassive:
		named = l.net.DeadAddr.String()
	case p.Server.Private:
		named = l.net.ServerAddr.String()
	}
	if d.DataAddr != named {
		l.t.Errorf("the server names %q in 227, want %q", d.DataAddr, named)
	}
}

//go:build linux

package client

import (
	"context"
	"net/url"

	"github.com/ftpnat/ftpnat"
)

// Diagnosis is what an *ftpnat.Report comes to, as data.
type Diagnosis struct {
	NAT, Helper, ServerNAT ftpnat.Finding
	DataAddr               string   // that a 227 named in place of the server's
	Mode                   string   // "" when none works
	Works                  []string // all modes that do
	Fatal                  []string // modes whose command costs the control connection
	Advice                 []string
	Stopped                string // why not all modes were tried
}

// report has ftpnat say what is between it and the server.
func (job Job) report(ctx context.Context, u *url.URL, r *Result) error {
	d, err := job.Settings.dialer(u)
	if err != nil {
		return err
	}
	report, err := d.Probe(traced(ctx, r), hostPort(u))
	if err != nil {
		return err
	}
	r.Report = report.String()
	r.Diagnosis = diagnosis(report)
	return nil
}

func diagnosis(r *ftpnat.Report) *Diagnosis {
	d := &Diagnosis{
		NAT: r.NAT, Helper: r.Helper, ServerNAT: r.ServerNAT,
		Works: modes(r.Works), Fatal: modes(r.Fatal),
		Advice: r.Advice(), Stopped: r.Stopped,
	}
	if r.DataAddr.IsValid() {
		d.DataAddr = r.DataAddr.String()
	}
	if r.Mode != 0 {
		d.Mode = r.Mode.String()
	}
	return d
}

// modes returns the names of the modes.
func modes(list []ftpnat.Mode) []string {
	var names []string
	for _, m := range list {
		names = append(names, m.String())
	}
	return names
}

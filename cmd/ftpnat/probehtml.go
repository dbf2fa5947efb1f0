package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat"
)

//go:embed probe.html.tmpl
var probePage string

var probeTemplate = template.Must(template.New("probe").Funcs(template.FuncMap{
	"seconds": func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) },
	"took":    durationText,
	"addr": func(a netip.AddrPort) string {
		if !a.IsValid() {
			return ""
		}
		return a.String()
	},
	"add": func(a, b int) int { return a + b },
}).Parse(probePage))

// page is what the template draws.
type page struct {
	Server, URL string
	When        string
	Version     string
	Verdict     string
	Works       bool
	Failed      string
	Advice      []string
	Facts       []fact
	Boxes       []box
	PathWidth   int
	Attempts    []ftpnat.Attempt
	Rows        []row
	ChartHeight int
}

// box is a machine on the path.
type box struct {
	X           int
	Title, Text string
	Kind        string // end, nat or cloud
	Link        bool   // a line leads to it from the left
}

// row is an event of the sequence chart, with the place that it is drawn at.
type row struct {
	Y     int
	Short string // fits into the chart
	event
}

// fit cuts a text to a number of letters.
func fit(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

const (
	boxStep   = 200 // from one box to the next
	rowHeight = 24
	chartTop  = 60

	boxLetters   = 22
	chartLetters = 108
)

// writeHTML writes the page. It needs nothing from elsewhere, so that it can be
// mailed.
func (d *diagnosis) writeHTML(name string) error {
	var b bytes.Buffer
	if err := probeTemplate.Execute(&b, d.page()); err != nil {
		return err
	}
	return replaceFile(name, b.Bytes())
}

func (d *diagnosis) page() page {
	shown := d.target
	shown.setPath("")
	p := page{Server: d.target.addr(), URL: shown.String(), When: d.when.UTC().Format("2006-01-02 15:04 UTC"), Version: version(),
		Failed: d.failed, Advice: d.advice, Verdict: "No mode works"}
	for i, e := range d.events {
		p.Rows = append(p.Rows, row{chartTop + i*rowHeight, fit(e.Text, chartLetters), e})
	}
	p.ChartHeight = chartTop + len(d.events)*rowHeight + 20
	p.Boxes = d.boxes()
	p.PathWidth = len(p.Boxes) * boxStep
	switch {
	case d.report == nil:
		p.Verdict = "There is no report"
		return p
	case d.report.Mode != 0:
		p.Works = true
		p.Verdict = d.report.Mode.String() + " works"
	}
	p.Facts, p.Attempts = d.facts(), d.report.Attempts
	return p
}

// boxes are the machines on the path, from here to the server.
func (d *diagnosis) boxes() []box {
	list := []box{{Title: "this machine", Kind: "end"}}
	server := box{Title: "server", Text: d.target.addr(), Kind: "end"}
	r := d.report
	if r == nil {
		r = new(ftpnat.Report)
	}
	if r.Local.IsValid() {
		list[0].Text = r.Local.String()
	}
	if r.NAT == ftpnat.Yes {
		nat := box{Title: "NAT", Kind: "nat"}
		if r.Helper == ftpnat.Yes {
			nat.Title = "NAT with FTP helper"
		}
		if r.Seen.IsValid() {
			nat.Text = r.Seen.String()
		}
		list = append(list, nat)
	}
	if d.proxy {
		list = append(list, box{Title: "proxy", Kind: "nat"})
	}
	list = append(list, d.between())
	if r.ServerNAT == ftpnat.Yes {
		list = append(list, box{Title: "server's NAT", Text: r.Remote.String(), Kind: "nat"})
		server.Text = r.DataAddr.String()
	}
	list = append(list, server)
	for i := range list {
		list[i].X, list[i].Link = i*boxStep, i > 0
		list[i].Text = fit(list[i].Text, boxLetters)
	}
	return list
}

// between is what the attempts say of the network.
func (d *diagnosis) between() box {
	b := box{Title: "network", Kind: "cloud"}
	switch {
	case d.report == nil:
	case len(d.report.Fatal) > 0:
		b.Title, b.Text, b.Kind = "something on the way", "stops "+modesText(d.report.Fatal), "bad"
	case len(d.report.Attempts) > 0 && d.report.Mode == 0:
		b.Title, b.Text, b.Kind = "something on the way", "lets nothing through", "bad"
	}
	return b
}

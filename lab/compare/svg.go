//go:build linux

package main

import (
	_ "embed"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"text/template"
	"time"
)

//go:embed compare.svg.tmpl
var svgText string

var svgTemplate = template.Must(template.New("svg").Funcs(template.FuncMap{"xml": escapeXML}).Parse(svgText))

// Measures of the picture, in its own units.
const (
	margin     = 24
	labelSpan  = 300
	cellSpan   = 122
	cellGap    = 6
	headSpan   = 128
	rowSpan    = 58
	aboutWidth = 44 // characters
)

// shape is a rectangle of the picture with its texts.
type shape struct {
	X, Y, W, H, Mid int
	Class           string
	Lines           []string
	Bar             int // the width of the bar of time
}

type picture struct {
	Width, Height, LabelX int
	Right                 int // the end of the cells
	Title, Subtitle       string
	Heads, Labels, Cells  []shape
	Sums                  []shape
	SumY, FootY           int
	Foot                  string
}

// svg draws the paths as rows and the clients as columns.
func (r *report) svg(w io.Writer) error {
	return svgTemplate.Execute(w, r.draw())
}

func (r *report) draw() picture {
	p := picture{
		Width:    2*margin + labelSpan + len(r.Clients)*cellSpan,
		LabelX:   margin,
		Right:    column(len(r.Clients)) - cellGap,
		Title:    "Who gets through",
		Subtitle: "List a directory, download 1 MiB, upload 1 MiB, with each client's defaults, in at most " + r.limit(),
		Foot:     r.Date.Format("2006-01-02") + ", " + r.System + ", vsftpd. The bars are the time to the end, logarithmic.",
	}
	for i, c := range r.Clients {
		p.Heads = append(p.Heads, shape{Mid: column(i) + (cellSpan-cellGap)/2, Y: headSpan - 8, Lines: []string{c.Name, clip(c.Version, 18)}})
	}
	y := headSpan + 10
	for _, row := range r.Rows {
		p.Labels = append(p.Labels, shape{X: margin, Y: y, Lines: append([]string{row.title()}, wrap(row.About, aboutWidth)...)})
		for i, c := range row.Cells {
			p.Cells = append(p.Cells, r.box(c, column(i), y))
		}
		y += rowSpan
	}
	p.SumY = y + 20
	for i := range r.Clients {
		p.Sums = append(p.Sums, shape{Mid: column(i) + (cellSpan-cellGap)/2, Lines: []string{r.sum(i)}})
	}
	if len(r.remarks()) > 0 {
		p.Foot += " * with the settings that the path is about, for ftpnat."
	}
	p.FootY = p.SumY + 34
	p.Height = p.FootY + margin
	return p
}

func column(i int) int { return margin + labelSpan + i*cellSpan }

// box draws a cell.
func (r *report) box(c cell, x, y int) shape {
	b := shape{X: x, Y: y, W: cellSpan - cellGap, H: rowSpan - cellGap, Mid: x + (cellSpan-cellGap)/2}
	switch {
	case c.ok():
		b.Class, b.Lines = "pass", []string{"✓ " + c.verdict()}
	case c.Endless:
		b.Class, b.Lines = "endless", []string{c.verdict(), "in " + r.limit()}
	default:
		b.Class, b.Lines = "fail", []string{c.verdict(), clip(c.Said, 18)}
	}
	b.Bar = bar(c.Elapsed, r.Limit, b.W-12)
	return b
}

// shortest is where the bar of time begins.
const shortest = 50 * time.Millisecond

// bar is the width of a time on a logarithmic scale.
func bar(d, limit time.Duration, full int) int {
	part := math.Log(float64(d)/float64(shortest)) / math.Log(float64(limit)/float64(shortest))
	return int(math.Round(min(max(part, 0.02), 1) * float64(full)))
}

// wrap breaks a text into lines.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

func escapeXML(s string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

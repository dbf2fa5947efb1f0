//go:build linux

package main

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// panel is a bar chart: groups of bars, one bar of each series in a group.
type panel struct {
	Title  string
	Groups []string
	Series []series
}

type series struct {
	Name   string
	Values []value // one for each group
}

// value is the length of a bar, if there is one.
type value struct {
	V  float64
	OK bool
}

// Measures of a chart.
const (
	chartWidth  = 10 * vg.Inch
	panelHeight = 2.5 * vg.Inch
	headHeight  = 1.15 * vg.Inch
	chartMargin = vg.Length(18)
	panelGap    = vg.Length(14)
	barsWidth   = 0.74 // of what a group has
	legendBox   = vg.Length(10)
	labelRoom   = 1.14 // above the highest bar, for its figure
)

// The colours of a chart. The first three have others on a dark page.
var (
	paper   = color.RGBA{0xfe, 0xff, 0xff, 0xff}
	ink     = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	soft    = color.RGBA{0x59, 0x63, 0x6e, 0xff}
	palette = []color.Color{
		color.RGBA{0x1f, 0x6f, 0xeb, 0xff},
		color.RGBA{0xe0, 0x8a, 0x3c, 0xff},
		color.RGBA{0x5b, 0xa8, 0x7a, 0xff},
		color.RGBA{0xb5, 0x7b, 0xc4, 0xff},
		color.RGBA{0x8b, 0x97, 0xa3, 0xff},
	}
)

var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// dark is what replaces the colours on a dark page. The plotting library gives
// each element a style of its own, which only a rule about that can change.
const dark = `<style>@media (prefers-color-scheme: dark) {
[style*="#FEFFFF"] { fill: #0d1117 !important }
text[style*="#1F2328"] { fill: #f0f6fc !important }
text[style*="#59636E"] { fill: #9198a1 !important }
}</style>
`

// chart draws the panels one below the other, under a title, a sentence and the
// names of the series.
func chart(w io.Writer, title, sentence string, panels []panel) error {
	height := headHeight + panelHeight*vg.Length(len(panels))
	canvas := vgsvg.New(chartWidth, height)
	c := draw.New(canvas)
	c.FillPolygon(paper, c.ClipPolygonXY([]vg.Point{
		{X: c.Min.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Min.X, Y: c.Max.Y},
	}))
	c.FillText(style(17, ink), vg.Point{X: chartMargin, Y: c.Max.Y - 28}, title)
	c.FillText(style(10.5, soft), vg.Point{X: chartMargin, Y: c.Max.Y - 46}, sentence)
	legend(c, panels[0].Series, c.Max.Y-66)
	for i, p := range panels {
		top := height - headHeight - panelHeight*vg.Length(i)
		area := draw.Crop(c, chartMargin, -chartMargin, top-panelHeight+panelGap, top-height)
		if err := p.draw(area); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, readable(b.String()))
	return err
}

// readable gives the picture fonts that every machine has, and its colours for
// dark pages.
func readable(svg string) string {
	svg = strings.ReplaceAll(svg, "font-family:Liberation Sans;", "font-family:'Liberation Sans',Helvetica,Arial,sans-serif;")
	head, rest, _ := strings.Cut(svg, "<g ")
	return head + dark + "<g " + rest
}

func style(size float64, c color.Color) text.Style {
	return text.Style{Color: c, Font: font.From(sans, vg.Points(size)), Handler: plot.DefaultTextHandler}
}

func legend(c draw.Canvas, all []series, y vg.Length) {
	x := chartMargin
	s := style(11, ink)
	for i, one := range all {
		c.FillPolygon(palette[i%len(palette)], []vg.Point{
			{X: x, Y: y}, {X: x + legendBox, Y: y}, {X: x + legendBox, Y: y + legendBox}, {X: x, Y: y + legendBox},
		})
		x += legendBox + 5
		c.FillText(s, vg.Point{X: x, Y: y + 1}, one.Name)
		x += s.Width(one.Name) + 18
	}
}

// draw draws the panel into an area.
func (p panel) draw(area draw.Canvas) error {
	plt := plot.New()
	plt.BackgroundColor = color.Transparent
	plt.Title.Text = p.Title
	plt.Title.TextStyle = style(12.5, ink)
	plt.Title.TextStyle.XAlign, plt.Title.TextStyle.YAlign = text.XCenter, text.YTop
	plt.Title.Padding = 6
	plt.HideY()
	plt.X.Tick.Label.Color, plt.X.Tick.Label.Font = ink, font.From(sans, vg.Points(11))
	plt.Y.Min, plt.Y.Max = 0, p.highest()*labelRoom
	plt.NominalX(p.Groups...)
	group := (area.Max.X - area.Min.X) / vg.Length(len(p.Groups))
	width := group * barsWidth / vg.Length(len(p.Series))
	for i, s := range p.Series {
		offset := width * (vg.Length(i) - vg.Length(len(p.Series)-1)/2)
		if err := s.draw(plt, width, offset, palette[i%len(palette)], i == 0); err != nil {
			return err
		}
	}
	plt.Draw(area)
	return nil
}

func (p panel) highest() float64 {
	top := 0.0
	for _, s := range p.Series {
		for _, v := range s.Values {
			top = max(top, v.V)
		}
	}
	return top
}

// draw adds a bar and its figure for each group.
func (s series) draw(plt *plot.Plot, width, offset vg.Length, c color.Color, first bool) error {
	var lengths plotter.Values
	var labels plotter.XYLabels
	for i, v := range s.Values {
		label := "–"
		if v.OK {
			label = short(v.V)
		}
		lengths = append(lengths, v.V)
		labels.XYs = append(labels.XYs, plotter.XY{X: float64(i), Y: v.V})
		labels.Labels = append(labels.Labels, label)
	}
	bars, err := plotter.NewBarChart(lengths, width*0.92)
	if err != nil {
		return err
	}
	bars.Color, bars.LineStyle.Width, bars.Offset = c, 0, offset
	figures, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	figures.Offset = vg.Point{X: offset, Y: 3}
	for i := range figures.TextStyle {
		figures.TextStyle[i] = style(10, soft)
		if first {
			figures.TextStyle[i] = style(10.5, ink)
		}
		figures.TextStyle[i].XAlign = text.XCenter
	}
	plt.Add(bars, figures)
	return nil
}

// short prints a figure with as many digits as matter.
func short(v float64) string {
	if v < 19.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

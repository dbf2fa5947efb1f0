package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// drawChart plays a scenario until its directory is listed, and writes the
// dialogue as a sequence chart into an SVG file.
func drawChart(ctx context.Context, s scenario, file string) error {
	var b bytes.Buffer
	if err := chartOf(ctx, s, &b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func chartOf(ctx context.Context, s scenario, w io.Writer) error {
	st, err := setUp(ctx, s)
	if err != nil {
		return err
	}
	defer st.close()
	c := newChart(s)
	ctx = ftpnat.WithTrace(ctx, c.trace())
	fsys, err := st.dialer.Open(ctx, demoURL)
	if err != nil {
		return err
	}
	defer fsys.Close()
	c.note(`fs.ReadDir(fsys, ".")`)
	entries, err := fs.ReadDir(fsys.WithContext(ctx), ".")
	if err != nil {
		return err
	}
	c.note(fmt.Sprintf("%d entries, no error", len(entries)))
	return c.svg(w)
}

// An arrow is one line of a chart: what one end sends the other at a time.
type arrow struct {
	kind     string // class of the SVG: "sent", "reply", "dial", "data", "lost" or "note"
	at       time.Duration
	from, to int // indexes of the lifelines
	texts    []string
}

// A chart is the dialogue of one scenario.
type chart struct {
	scenario scenario
	ends     [][2]string // the lifelines: a name, and an address or what it does
	guard    int         // the lifeline that reads commands and does something about them
	start    time.Time
	arrows   []arrow
}

func newChart(s scenario) *chart {
	c := &chart{scenario: s, start: time.Now(), ends: [][2]string{{"client", s.client.String()}}}
	for _, h := range slices.Concat(s.near, s.far) {
		if _, ok := h.box.(memnet.CommandBox); ok {
			c.guard = len(c.ends)
		}
		c.ends = append(c.ends, [2]string{h.name, h.does})
	}
	c.ends = append(c.ends, [2]string{"server", s.server.String()})
	if c.guard == 0 {
		c.guard = c.server()
	}
	return c
}

func (c *chart) server() int { return len(c.ends) - 1 }

// add adds an arrow, or its text to the last one if both were sent in one go.
func (c *chart) add(kind string, from, to int, text string) {
	at := time.Since(c.start)
	if n := len(c.arrows); n > 0 && kind != "note" {
		if last := &c.arrows[n-1]; last.kind == kind && at-last.at < latency/4 {
			last.texts = append(last.texts, text)
			return
		}
	}
	c.arrows = append(c.arrows, arrow{kind, at, from, to, []string{text}})
}

func (c *chart) note(text string) { c.add("note", 0, c.server(), text) }

// trace returns hooks that add what happens to the chart.
func (c *chart) trace() *ftpnat.Trace {
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			if e.Err == nil {
				c.add("dial", 0, c.server(), "control connection")
			}
		},
		Command: func(line string) { c.add("sent", 0, c.server(), line) },
		Reply:   func(r ftpnat.Reply) { c.add("reply", c.server(), 0, r.String()) },
		Attempt: c.attempt,
	}
}

// attempt adds the end of an attempt. A command that cost the control
// connection did not get past the box that minds it.
func (c *chart) attempt(a ftpnat.Attempt) {
	switch a.Cause {
	case ftpnat.OK:
		c.add("data", 0, c.server(), fmt.Sprintf("data connection: %v works", a.Mode))
	case ftpnat.ControlReset, ftpnat.ControlSilent:
		for i := len(c.arrows) - 1; i >= 0; i-- {
			if c.arrows[i].kind == "sent" {
				c.arrows[i].kind, c.arrows[i].to = "lost", c.guard
				break
			}
		}
		c.add("reset", c.guard, 0, a.Cause.String())
	default:
		c.add("reset", c.server(), 0, fmt.Sprintf("%v: %v", a.Mode, a.Cause))
	}
}

// Measures of the chart, in its own units.
const (
	chartWidth  = 860
	chartLeft   = 120 // of the first lifeline
	chartRight  = 770 // of the last one
	chartTop    = 96  // of the first row
	chartRow    = 34
	chartLetter = 6.6 // average width of a letter
)

const chartStyle = `<style>
.paper { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .life { stroke: #d1d9e0; stroke-width: 2 }
.box { fill: #f6f8fa; stroke: #d1d9e0 } .note rect { fill: #ddf4ff } .note text { fill: #0a3069 }
.sent line, .reply line, .dial line { stroke: #59636e } .sent path, .reply path, .dial path { fill: #59636e }
.sent text, .reply text, .dial text { fill: #1f2328 } .dial line { stroke-dasharray: 5 4 }
.lost line, .reset line { stroke: #cf222e; stroke-width: 2 } .lost path, .reset path { fill: #cf222e } .lost text, .reset text { fill: #a40e26 }
g:not(.note) text { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
.data line { stroke: #2da44e; stroke-width: 4 } .data path { fill: #2da44e } .data text { fill: #116329 }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .life { stroke: #3d444d }
.box { fill: #151b23; stroke: #3d444d } .note rect { fill: #121d2f } .note text { fill: #a5d6ff }
.sent line, .reply line, .dial line { stroke: #9198a1 } .sent path, .reply path, .dial path { fill: #9198a1 }
.sent text, .reply text, .dial text { fill: #f0f6fc }
g:not(.note) text { stroke: #0d1117 }
.lost text, .reset text { fill: #ffa198 } .data text { fill: #7ee787 }
}
</style>
`

// svg writes the chart.
func (c *chart) svg(w io.Writer) error {
	var b strings.Builder
	height := chartTop + len(c.arrows)*chartRow + 24
	title := escapeXML(c.scenario.title)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-label="%s">`+"\n",
		chartWidth, height, chartWidth, height, title)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", title, chartStyle)
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d" rx="10"/>`+"\n", chartWidth, height)
	for i := range c.ends {
		c.lifeline(&b, i, height)
	}
	last := time.Duration(-1) // the time that is written beside an arrow
	for i, a := range c.arrows {
		y := chartTop + i*chartRow + chartRow/2
		if at := a.at.Truncate(latency); at != last {
			last = at
			fmt.Fprintf(&b, `<text class="soft" x="16" y="%d" font-size="12">%.2f s</text>`+"\n", y+4, last.Seconds())
		}
		a.svg(&b, c.x(a.from), c.x(a.to), y)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *chart) x(i int) int { return chartLeft + i*(chartRight-chartLeft)/c.server() }

// lifeline draws one end or box of the path and the line under it.
func (c *chart) lifeline(b *strings.Builder, i, height int) {
	x, name, does := c.x(i), escapeXML(c.ends[i][0]), escapeXML(c.ends[i][1])
	fmt.Fprintf(b, `<line class="life" x1="%d" y1="72" x2="%d" y2="%d"/>`+"\n", x, x, height-16)
	fmt.Fprintf(b, `<rect class="box" x="%d" y="16" width="136" height="56" rx="6"/>`+"\n", x-68)
	fmt.Fprintf(b, `<text class="ink" x="%d" y="40" font-size="15" font-weight="600" text-anchor="middle">%s</text>`+"\n", x, name)
	fmt.Fprintf(b, `<text class="soft" x="%d" y="60" font-size="13" text-anchor="middle">%s</text>`+"\n", x, does)
}

func (a arrow) svg(b *strings.Builder, from, to, y int) {
	fmt.Fprintf(b, `<g class="%s">`, a.kind)
	span := max(from, to) - min(from, to)
	label := clip(a.label(), int(float64(span-60)/chartLetter))
	if a.kind == "note" {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="24" rx="4"/>`, from-40, y-12, span+80)
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="13" font-weight="600" text-anchor="middle">%s</text></g>`+"\n", (from+to)/2, y+5, escapeXML(label))
		return
	}
	head := 9
	if to < from {
		head = -9
	}
	fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d"/>`, from, y+8, to-head, y+8)
	fmt.Fprintf(b, `<path d="M%d %dl%d -5v10z"/>`, to, y+8, -head)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="13" text-anchor="middle">%s</text></g>`+"\n", (from+to)/2, y+1, escapeXML(label))
}

// port is the port of a private range in a reply or a command: another one in
// each run, and nothing that a reader of the chart needs.
var port = regexp.MustCompile(`(\|\|\|)\d+|(PORT \d+,\d+,\d+,\d+),\d+,\d+`)

// label is the text of an arrow: of one line all, of several that were sent in
// one go the verbs or codes, and the last one's first words.
func (a arrow) label() string {
	if len(a.texts) == 1 {
		return port.ReplaceAllString(a.texts[0], "$1$2…")
	}
	var words []string
	for _, t := range a.texts {
		word, _, _ := strings.Cut(t, " ")
		words = append(words, word)
	}
	return strings.Join(words, " · ")
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;")

func escapeXML(s string) string { return escaper.Replace(s) }

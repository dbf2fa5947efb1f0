package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
)

const (
	width  = 100 // columns that the output keeps to
	indent = 14  // of what servers say and send
)

// A style is an SGR parameter of ECMA-48.
type style string

const (
	plain style = ""
	bold  style = "1"
	faint style = "2"
	red   style = "31"
	green style = "32"
)

// A printer writes for people.
type printer struct {
	w     io.Writer
	color bool
	start time.Time // what the times of a dialogue count from
}

// wantsColor reports whether f is a terminal and nobody asked for plain text.
func wantsColor(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *printer) paint(s style, text string) string {
	if !p.color || s == plain {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// title prints the head of a scenario.
func (p *printer) title(number string, s scenario) {
	p.line("%s", p.paint(faint, strings.Repeat("─", width)))
	right := number + "  " + s.name
	gap := max(width-utf8.RuneCountInString(s.title)-len(right), 2)
	p.line("%s%s%s", p.paint(bold, s.title), strings.Repeat(" ", gap), p.paint(faint, right))
	for _, l := range wrap(s.story, width-2) {
		p.line("  %s", l)
	}
	p.line("")
}

// path draws the boxes between the client and the server.
func (p *printer) path(s scenario) {
	nodes := [][]string{{"client", s.client.String()}}
	for _, h := range append(s.near[:len(s.near):len(s.near)], s.far...) {
		nodes = append(nodes, []string{h.name, h.does})
	}
	server := []string{"server", s.server.String()}
	if s.ftp.does != "" {
		server[0] += ": " + s.ftp.does
	}
	nodes = append(nodes, server)
	var rows [4]strings.Builder
	for i, n := range nodes {
		w := max(utf8.RuneCountInString(n[0]), utf8.RuneCountInString(n[1]))
		gap, link, in, out := "    ", "────", "┤", "├"
		if i == 0 {
			gap, link, in = "  ", "  ", "│"
		}
		if i == len(nodes)-1 {
			out = "│"
		}
		rule := strings.Repeat("─", w+2)
		rows[0].WriteString(gap + "┌" + rule + "┐")
		fmt.Fprintf(&rows[1], "%s│ %s │", gap, p.paint(bold, fmt.Sprintf("%-*s", w, n[0])))
		fmt.Fprintf(&rows[2], "%s%s %-*s %s", link, in, w, n[1], out)
		rows[3].WriteString(gap + "└" + rule + "┘")
	}
	for i := range rows {
		p.line("%s", rows[i].String())
	}
	p.line("")
}

// code prints a line of the program that is being played.
func (p *printer) code(format string, args ...any) {
	p.line("  %s", p.paint(bold, fmt.Sprintf(format, args...)))
}

// event prints one line of what happens meanwhile: when, a mark, and a text.
func (p *printer) event(s style, mark, text string) {
	at := fmt.Sprintf("%8.3f", time.Since(p.start).Seconds())
	text = clip(printable(text), width-indent)
	p.line("  %s  %s %s", p.paint(faint, at), p.paint(s, mark), p.paint(s, text))
}

// trace returns hooks that print the dialogue as it happens. What is not about
// data connections is printed faintly.
func (p *printer) trace() *ftpnat.Trace {
	s := faint
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			s = faint
			if e.Err != nil {
				p.event(red, "×", fmt.Sprintf("%s: %v", e.Server, e.Err))
				return
			}
			p.event(faint, "·", fmt.Sprintf("control connection from %v to %v", e.Local, e.Remote))
		},
		Command: func(line string) {
			s = faint
			if negotiates(line) {
				s = plain
			}
			p.event(s, "→", line)
		},
		Reply:   func(r ftpnat.Reply) { p.event(s, "←", strings.Join(strings.Fields(r.String()), " ")) },
		Lost:    func(err error) { p.event(faint, "·", "control connection given up: "+err.Error()) },
		Attempt: p.attempt,
		Note:    func(text string) { p.event(faint, "·", text) },
	}
}

// negotiates reports whether a command is about a data connection.
func negotiates(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	switch verb {
	case "EPSV", "PASV", "PORT", "EPRT", "REST", "RETR", "LIST", "MLSD", "NLST":
		return true
	}
	return false
}

// attempt prints how a try to open a data connection ended.
func (p *printer) attempt(a ftpnat.Attempt) {
	addr := a.Used
	if !addr.IsValid() {
		addr = a.Advertised
	}
	where := ""
	if addr.IsValid() {
		where = addr.String()
	}
	s, mark := green, "✓"
	if a.Cause != ftpnat.OK {
		s, mark = red, "✗"
	}
	p.event(s, mark, fmt.Sprintf("%-4v  %-21s  %-32s  %6s", a.Mode, where, a.Cause, seconds(a.Elapsed)))
}

// listing prints a directory.
func (p *printer) listing(entries []fs.DirEntry) {
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			p.line("%*s%s", indent, "", clip(printable(e.Name()+": "+err.Error()), width-indent))
			continue
		}
		size, written, name := "", "", printable(e.Name())
		if e.IsDir() {
			name += "/"
		} else if info.Size() >= 0 {
			size = fmt.Sprint(info.Size())
		}
		if t := info.ModTime(); !t.IsZero() {
			written = t.UTC().Format("2006-01-02 15:04")
		}
		line := fmt.Sprintf("%v  %8s  %16s  %s", info.Mode(), size, written, name)
		p.line("%*s%s", indent, "", clip(line, width-indent))
	}
	if len(entries) == 0 {
		p.line("%*s%s", indent, "", p.paint(faint, "(empty)"))
	}
	p.line("")
}

// text prints the first lines of a file.
func (p *printer) text(data []byte) {
	const most = 6
	lines := strings.Split(strings.TrimRight(string(data), "\r\n"), "\n")
	for i, l := range lines {
		if i == most {
			p.line("%*s%s", indent, "", p.paint(faint, "..."))
			break
		}
		p.line("%*s%s", indent, "", clip(printable(strings.TrimRight(l, "\r")), width-indent))
	}
	p.line("")
}

// failure prints an error that may have several lines.
func (p *printer) failure(err error) {
	for l := range strings.Lines(err.Error()) {
		l = strings.TrimRight(l, "\n")
		text := strings.TrimLeft(l, " *")
		lead := l[:len(l)-len(text)]
		for _, w := range wrap(printable(text), width-2-len(lead)) {
			p.line("  %s%s", lead, w)
			lead = strings.Repeat(" ", len(lead))
		}
	}
	p.line("")
}

// seconds formats a duration with as many digits as anybody reads.
func seconds(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
}

// printable replaces what a terminal would obey: names, replies and files come
// from a stranger.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// clip cuts a text that is longer than n columns.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-3]) + "..."
}

// wrap breaks a text into lines of at most n columns where words allow.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/ftpnat/ftpnat"
)

// progress tells a person how far a transfer is: by a bar on a terminal, by a
// line now and then elsewhere.
type progress struct {
	app   *app
	every time.Duration // between two lines
	start time.Time

	mu       sync.Mutex
	label    string
	files    int
	complete int
	total    int64 // bytes that are to cross; negative if nobody knows
	crossed  int64 // by files that are done with
	current  map[string]*crossing
	bar      *progressbar.ProgressBar
	next     time.Time // when the next line is due
}

// crossing is a file that is under way.
type crossing struct{ from, at int64 }

// lineEvery is how often progress is told where there is no terminal.
const lineEvery = 10 * time.Second

// newProgress begins to tell of files with so many bytes in all.
func (a *app) newProgress(label string, files int, total int64) *progress {
	now := time.Now()
	p := &progress{app: a, every: lineEvery, start: now, next: now.Add(lineEvery), label: label, files: files, total: total,
		current: make(map[string]*crossing)}
	if a.errTerm && !a.quiet && !a.verbose && !a.logJSON {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(barWriter{a}), progressbar.OptionShowBytes(true),
			progressbar.OptionShowTotalBytes(true), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionUseANSICodes(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetDescription(p.title()))
		_ = p.bar.RenderBlank() // its clock begins here
	}
	return p
}

// barWriter writes between the lines of others.
type barWriter struct{ a *app }

func (w barWriter) Write(b []byte) (n int, err error) {
	w.a.logLock.do(func() { n, err = w.a.err.Write(b) })
	return n, err
}

// title is what stands before the bar.
func (p *progress) title() string {
	const most = 32
	label := []rune(printable(p.label))
	if len(label) > most {
		label = append(label[:most-1], '…')
	}
	if p.files > 1 {
		return fmt.Sprintf("%s %d/%d files", string(label), p.complete, p.files)
	}
	return string(label)
}

// trace sees the bytes cross.
func (p *progress) trace() *ftpnat.Trace {
	return &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c := p.current[e.Name]; c != nil {
			c.at = e.Bytes
			p.show()
		}
	}}
}

// begin says that a file is under way, of which so many bytes are there already.
func (p *progress) begin(name string, from int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current[name] = &crossing{from, from}
	if p.total >= 0 && from > 0 {
		p.total -= from
		if p.bar != nil {
			p.bar.ChangeMax64(p.total)
		}
	}
}

// goOn says at which byte a file is gone on with that was begun before.
func (p *progress) goOn(name string, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.current[name]; c != nil {
		c.at = at
	}
}

// end says that a file is done with.
func (p *progress) end(name string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.current[name]; c != nil {
		p.crossed += max(0, c.at-c.from)
		delete(p.current, name)
	}
	if ok {
		p.complete++
	}
	if p.bar != nil {
		p.bar.Describe(p.title())
	}
	p.show()
}

// bytes is how many bytes have crossed.
func (p *progress) bytes() int64 {
	n := p.crossed
	for _, c := range p.current {
		n += max(0, c.at-c.from)
	}
	return n
}

func (p *progress) show() {
	n := p.bytes()
	if p.bar != nil {
		if p.total >= 0 {
			// A file that has grown is no reason for the bar to fail.
			n = min(n, max(p.total-1, 0))
		}
		_ = p.bar.Set64(n)
		return
	}
	now := time.Now()
	if now.Before(p.next) || p.app.verbose && p.app.quiet {
		return
	}
	p.next = now.Add(p.every)
	p.app.warn("%s", p.line(n, now.Sub(p.start)))
}

// line is the progress in words.
func (p *progress) line(n int64, took time.Duration) string {
	text := p.title() + ": " + bytesText(n)
	if p.total >= 0 {
		text += " of " + bytesText(p.total)
	}
	rate := float64(n) / took.Seconds()
	text += ", " + bytesText(int64(rate)) + "/s"
	if p.total > n && rate > 0 {
		left := time.Duration(float64(p.total-n) / rate * float64(time.Second))
		text += ", " + left.Round(time.Second).String() + " left"
	}
	return text
}

// clear takes the bar off the terminal.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
		p.next = time.Now().Add(p.every)
	}
}

// summary is what has crossed, and how fast.
func (p *progress) summary() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, took := p.bytes(), time.Since(p.start)
	text := bytesText(n) + " in " + durationText(took)
	if took > 0 && n > 0 {
		text += " (" + bytesText(int64(float64(n)/took.Seconds())) + "/s)"
	}
	return text
}

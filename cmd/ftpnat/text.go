package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// pageWidth is how many columns text for a person keeps to: those of the
// smallest terminals.
const pageWidth = 80

// wrap breaks a text into lines that begin with lead.
func wrap(s, lead string) string {
	var b strings.Builder
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(lead+line)+1+utf8.RuneCountInString(word) > pageWidth {
			b.WriteString(lead + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	b.WriteString(lead + line + "\n")
	return b.String()
}

// reflow wraps each paragraph of a text.
func reflow(s string) string {
	parts := strings.Split(s, "\n\n")
	for i, p := range parts {
		parts[i] = wrap(p, "")
	}
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

// bytesText returns a number of bytes in the unit that a person would choose.
func bytesText(n int64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= step && unit < len(byteUnits) {
		v /= step
		unit++
	}
	if v < 10 {
		return fmt.Sprintf("%.1f %s", v, byteUnits[unit-1])
	}
	return fmt.Sprintf("%.0f %s", v, byteUnits[unit-1])
}

var byteUnits = []string{"kB", "MB", "GB", "TB", "PB", "EB"}

// durationText rounds a duration to what a person reads.
func durationText(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	if d >= 10*time.Millisecond {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// count returns a number with a noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// report is the outcome of a comparison, all that the tables and the picture
// show.
type report struct {
	Date    time.Time
	System  string // the operating system
	Limit   time.Duration
	Clients []peer.Client
	Rows    []row
}

// row is a path with a cell for each client.
type row struct {
	Name, About string
	Solvable    bool   // a data connection can be opened
	Settings    string // what ftpnat was told beyond its defaults
	Cells       []cell
}

// title is the name, with a star if ftpnat has settings there.
func (r row) title() string {
	if r.Settings != "" {
		return r.Name + " *"
	}
	return r.Name
}

// cell is what became of a client on a path.
type cell struct {
	Elapsed time.Duration
	Said    string // why it failed, "" if it succeeded
	Endless bool   // it had to be stopped at the limit
}

func (c cell) ok() bool { return c.Said == "" && !c.Endless }

// verdict is the cell in short.
func (c cell) verdict() string {
	switch {
	case c.Endless:
		return "✗ no end"
	case c.Said != "":
		return "✗ " + seconds(c.Elapsed)
	}
	return seconds(c.Elapsed)
}

// sum counts the solvable paths that a client, by its column, got through.
func (r *report) sum(column int) string {
	passed, of := 0, 0
	for _, row := range r.Rows {
		if !row.Solvable || len(row.Cells) <= column {
			continue
		}
		of++
		if row.Cells[column].ok() {
			passed++
		}
	}
	return fmt.Sprintf("%d of %d", passed, of)
}

// limit is the longest that a client was given.
func (r *report) limit() string { return fmt.Sprintf("%.0f s", r.Limit.Seconds()) }

// remarks are the sentences below the tables.
func (r *report) remarks() []string {
	var s []string
	for _, row := range r.Rows {
		if row.Settings != "" {
			s = append(s, fmt.Sprintf("* On %s ftpnat has the settings that the path is about: %s.", row.Name, row.Settings))
		}
	}
	return s
}

// quote is what a client said on a path.
type quote struct{ Path, Client, Said string }

// quotes returns what was said by those that failed, by path.
func (r *report) quotes() []quote {
	var q []quote
	for _, row := range r.Rows {
		for i, c := range row.Cells {
			if c.Said != "" {
				q = append(q, quote{row.Name, r.Clients[i].Name, c.Said})
			}
		}
	}
	return q
}

// seconds prints a time with three digits.
func seconds(d time.Duration) string {
	s := d.Seconds()
	if s < 9.995 {
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// clip cuts a text to a number of characters.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}

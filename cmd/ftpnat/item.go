package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
)

// item is a file as ls, find and stat print it.
type item struct {
	Path    string     `json:"path"` // from what the argument names
	Name    string     `json:"name"`
	Type    string     `json:"type"` // file, dir, link or other
	Size    int64      `json:"size"`
	ModTime *time.Time `json:"mod_time,omitempty"`
	Mode    string     `json:"mode,omitempty"` // as the server says
	Owner   string     `json:"owner,omitempty"`
	Group   string     `json:"group,omitempty"`
	Target  string     `json:"target,omitempty"` // of a link
	URL     string     `json:"url"`
}

func newItem(t target, rel string, info fs.FileInfo) item {
	it := item{Path: rel, Name: info.Name(), Type: kindOf(info.Mode()), Size: info.Size(), URL: t.String()}
	if info.IsDir() {
		it.Size = 0
	}
	if when := info.ModTime(); !when.IsZero() {
		when = when.UTC()
		it.ModTime = &when
	}
	if f, ok := info.Sys().(*ftpnat.Facts); ok {
		it.Owner, it.Group, it.Target = f.Owner, f.Group, f.Target
		if f.Mode {
			it.Mode = strings.Replace(info.Mode().String(), "L", "l", 1)
		}
	}
	return it
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "dir"
	case m.IsRegular():
		return "file"
	case m&fs.ModeSymlink != 0:
		return "link"
	}
	return "other"
}

// shortName is the name with a mark for directories and links, as ls -F has it.
func (it item) shortName() string {
	switch it.Type {
	case "dir":
		return it.Path + "/"
	case "link":
		return it.Path + "@"
	}
	return it.Path
}

// longLine is the line of ls -l.
func (it item) longLine() string {
	name := it.shortName()
	if it.Type == "link" && it.Target != "" {
		name = it.Path + " -> " + it.Target
	}
	return fmt.Sprintf("%s %12d  %s  %s", it.modeText(), it.Size, it.timeText(), name)
}

// modeText is the type, and the permission bits if the server tells them.
func (it item) modeText() string {
	if it.Mode != "" {
		return fmt.Sprintf("%-10s", it.Mode)
	}
	return map[string]string{"dir": "d", "link": "l", "file": "-"}[it.Type] + "?????????"
}

// timeText is the time in UTC.
func (it item) timeText() string {
	if it.ModTime == nil {
		return fmt.Sprintf("%16s", "?")
	}
	return it.ModTime.Format("2006-01-02 15:04")
}

// writeJSON writes one object on a line of its own.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return localWrite(e.Encode(v))
}

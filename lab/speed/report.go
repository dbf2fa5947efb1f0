//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/peer"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/lab/internal/trips"
)

// report is the outcome of a run, all that the tables and the charts show.
type report struct {
	Date    time.Time
	System  string // the operating system
	RTT     time.Duration
	Repeats int
	Clients []peer.Client
	Lines   []line

	Size        int64 // of a bulk transfer in the clear
	BulkRepeats int
	Bulk        []bulkLine
}

// titles are the servers' names as their makers write them.
var titles = map[servers.Kind]string{
	servers.Vsftpd: "vsftpd", servers.ProFTPD: "ProFTPD", servers.PureFTPd: "Pure-FTPd", servers.Pyftpdlib: "pyftpdlib",
}

// panel picks the figures of a row for a chart: a group for each server, a
// series for each client.
func (r *report) panel(row, title string) panel {
	p := panel{Title: title}
	for _, c := range r.Clients {
		p.Series = append(p.Series, series{Name: c.Name})
	}
	for _, kind := range servers.Kinds() {
		i := slices.IndexFunc(r.Lines, func(l line) bool { return l.Row.Name == row && l.Server == kind })
		if i < 0 {
			continue
		}
		p.Groups = append(p.Groups, titles[kind])
		for j, c := range r.Lines[i].Cells {
			p.Series[j].Values = append(p.Series[j].Values, value{c.Wall, !c.None && c.Said == ""})
		}
	}
	return p
}

// perFile draws what each of many small files costs.
func (r *report) perFile(w io.Writer) error {
	return chart(w, "Round trips for a small file",
		fmt.Sprintf("10 KiB, in a session that is up, over one control connection. By the clock; a round trip is %s.", r.rtt()),
		[]panel{r.panel("download", "download"), r.panel("upload", "upload")})
}

// inAll draws what whole jobs cost.
func (r *report) inAll(w io.Writer) error {
	return chart(w, "Round trips for a whole job",
		fmt.Sprintf("By the clock; a round trip is %s. curl does not walk.", r.rtt()),
		[]panel{r.panel("first-byte", "from connect to the first byte of a file"), r.panel("walk", "a tree of 51 directories with 1,000 files")})
}

func (r *report) rtt() string { return fmt.Sprintf("%g ms", float64(r.RTT)/float64(time.Millisecond)) }

// complete reports whether there is all that the charts show.
func (o options) complete() error {
	if len(o.rows) != len(trips.Rows()) || len(o.kinds) != len(servers.Kinds()) || len(o.clients) != len(trips.Contenders()) || o.size == 0 {
		return errors.New("-readme shows all rows, servers and clients, and bulk transfers")
	}
	return nil
}

//go:build linux

package trips

import (
	"slices"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// Row is something that clients do.
type Row struct {
	Name, About string
	Action      client.Action
	Files       int  // how many
	PerFile     bool // the figure is that of one of Files, in a session that is up
	Conns       int  // control connections
	TLS, Active bool
	FirstByte   bool // the figure is from the first SYN to the first byte of the file
	Library     bool // it is about a library's way of doing what another row has
	Servers     []servers.Kind

	// Limits are the round trips that ftpnat may take.
	Limits map[servers.Kind]float64
}

// limits are those of vsftpd, pure-ftpd, and both ProFTPD and pyftpdlib.
func limits(vsftpd, pureftpd, others float64) map[servers.Kind]float64 {
	return map[servers.Kind]float64{
		servers.Vsftpd: vsftpd, servers.PureFTPd: pureftpd,
		servers.ProFTPD: others, servers.Pyftpdlib: others,
	}
}

// Rows returns all of them.
func Rows() []Row {
	const files, many = 20, 50
	all := servers.Kinds()
	return []Row{
		{Name: "download", About: "a small file", Action: client.ReadFile, Files: files, PerFile: true, Conns: 1, Servers: all,
			Limits: limits(3.1, 2.1, 3.1)},
		{Name: "open-read", About: "a small file, by Open and Read", Action: client.OpenRead, Files: files, PerFile: true, Conns: 1, Library: true, Servers: all,
			Limits: limits(3.1, 2.1, 3.1)},
		{Name: "upload", About: "upload of a small file", Action: client.Write, Files: files, PerFile: true, Conns: 1, Servers: all,
			Limits: limits(3.1, 2.1, 3.1)},
		{Name: "parallel", About: "one of 50 small files over 4 connections, all included", Action: client.ReadFile, Files: many, Conns: 4, Servers: all,
			Limits: limits(1.1, 0.8, 1.1)},
		{Name: "first-byte", About: "from connect to the first byte", Action: client.ReadFile, Files: 1, Conns: 1, FirstByte: true, Servers: all,
			Limits: limits(5.3, 5.0, 5.0)},
		{Name: "walk", About: "51 directories with 1,000 files, in all", Action: client.Walk, Conns: 4, Servers: all,
			Limits: limits(16, 15, 22)},
		{Name: "walk-info", About: "51 directories with the size of each file", Action: client.WalkInfo, Conns: 4, Library: true, Servers: all,
			Limits: limits(16, 15, 22)},
		{Name: "tls", About: "a small file, over TLS 1.3", Action: client.ReadFile, Files: files, PerFile: true, Conns: 1, TLS: true,
			Servers: []servers.Kind{servers.Vsftpd, servers.PureFTPd, servers.ProFTPD},
			Limits:  map[servers.Kind]float64{servers.Vsftpd: 5.2, servers.PureFTPd: 5}},
		{Name: "active", About: "a small file, in active mode", Action: client.ReadFile, Files: files, PerFile: true, Conns: 1, Active: true, Servers: all},
	}
}

// On reports whether the row is for the server.
func (r Row) On(kind servers.Kind) bool { return slices.Contains(r.Servers, kind) }

// walks reports whether it is about the tree.
func (r Row) walks() bool { return r.Action == client.Walk || r.Action == client.WalkInfo }

// names returns the files that are transferred, and those before the clock
// runs.
func (r Row) names() (files, warm []string) {
	if r.walks() {
		return nil, nil
	}
	letter := "s"
	if r.Action == client.Write {
		letter = "u"
	}
	if !r.PerFile {
		return numbered(letter, r.Files), nil
	}
	names := numbered(letter, r.Files+1)
	return names[1:], names[:1]
}

// per is what the figure is divided by.
func (r Row) per() float64 { return float64(max(r.Files, 1)) }

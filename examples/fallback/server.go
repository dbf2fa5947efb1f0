package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// latency is what a segment takes one way: the client and the server are on
// the same continent.
const latency = 25 * time.Millisecond

// What the embedded server is asked for.
const (
	host    = "ftp.example.net"
	user    = "demo"
	secret  = "2006"
	demoURL = "ftp://" + user + ":" + secret + "@" + host + "/pub"
)

// files is what the embedded server has.
var files = []struct{ name, content string }{
	{"pub/README", "Daily figures, one file a year.\nWritten by the night job at 02:00 UTC.\n"},
	{"pub/2005.csv", "date,orders,revenue\n2005-12-30,102,4310.20\n2005-12-31,57,2208.75\n"},
	{"pub/2006.csv", "date,orders,revenue\n2006-01-02,118,5120.00\n2006-01-03,131,5873.40\n2006-01-04,125,5411.10\n"},
	{"pub/archive/2004.csv", "date,orders,revenue\n2004-12-31,44,1750.00\n"},
}

// written is when those files were last changed.
var written = time.Date(2006, time.January, 5, 2, 0, 0, 0, time.UTC)

// A stage is a scenario that has been set up: a network, a server that runs,
// and a Dialer on the client's host.
type stage struct {
	network *memnet.Network
	server  *ftptest.Server
	dialer  *ftpnat.Dialer
}

// setUp builds the network of s and starts its server.
func setUp(ctx context.Context, s scenario) (*stage, error) {
	tree, err := demoTree()
	if err != nil {
		return nil, err
	}
	n := memnet.New(memnet.Config{Latency: latency})
	client := n.Site(boxes(s.near)...).Host("client", s.client)
	machine := n.Site(boxes(s.far)...).Host(host, s.server)
	if s.behind.IsValid() {
		n.Name(host, s.behind)
	}
	vsftpd := ftptest.VSFTPD()
	vsftpd.Data.ForeignPORT = s.ftp.foreign
	srv := &ftptest.Server{
		Tree:        tree,
		Users:       map[string]string{user: secret},
		Personality: vsftpd,
		Script:      s.ftp.script,
		Network:     ftptest.Network{Listen: machine.Listen, Dial: machine.DialFrom, ActivePort: 20, Advertise: s.ftp.advertise},
		Limits:      ftptest.Limits{MaxPerAddr: s.ftp.maxPerAddr},
	}
	ln, err := machine.Listen(ctx, "tcp", ":21")
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("start the embedded server: %w", err)
	}
	srv.Start(ln)
	d := s.set.dialer()
	d.DialContext, d.Listen = client.DialContext, client.Listen
	return &stage{n, srv, d}, nil
}

func (st *stage) close() {
	st.server.Close()
	st.network.Close()
}

func boxes(hops []hop) []memnet.Box {
	var list []memnet.Box
	for _, h := range hops {
		list = append(list, h.box)
	}
	return list
}

func demoTree() (*ftptest.Tree, error) {
	t := ftptest.NewTree()
	for _, f := range files {
		if err := t.WriteFile(f.name, []byte(f.content), 0o644); err != nil {
			return nil, err
		}
		if err := t.Chtimes(f.name, written); err != nil {
			return nil, err
		}
	}
	if err := t.Chtimes("pub/archive", written); err != nil {
		return nil, err
	}
	return t, nil
}

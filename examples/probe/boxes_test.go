package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
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
	host   = "ftp.example.net"
	user   = "demo"
	secret = "2006"
)

// The addresses are those that are set apart for documentation (RFC 5737) and
// for private networks (RFC 1918).
var (
	homeClient   = netip.MustParseAddr("192.168.1.10")
	homePublic   = netip.MustParseAddr("203.0.113.7")
	publicClient = netip.MustParseAddr("203.0.113.2")
	publicServer = netip.MustParseAddr("198.51.100.10")
	officeServer = netip.MustParseAddr("10.9.0.10")
)

// A finding is the report on one of the boxes.
type finding struct {
	Box    string
	Path   string
	Report *ftpnat.Report
}

// A box is what stands between the client and the server.
type box struct {
	name      string
	near, far []memnet.Box // at the client's side and at the server's
	mode      ftpnat.Mode  // the one that is found to work; zero when none does
}

// Parts of several boxes.
var (
	homeNAT     = memnet.Masquerade(homePublic)
	controlOnly = memnet.InboundOnly(memnet.Drop, memnet.Port(21))
	dataPorts   = memnet.PortRange{First: 1024, Last: 65535}
)

var boxes = []box{
	{name: "nothing", mode: ftpnat.EPSV},
	{name: "a NAT", near: []memnet.Box{homeNAT}, mode: ftpnat.EPSV},
	{name: "a NAT with an FTP helper, and a server with its passive ports blocked",
		near: []memnet.Box{withHelper(homeNAT)}, far: []memnet.Box{controlOnly}, mode: ftpnat.PORT},
	{name: "a 1:1 NAT, and a server with its passive ports blocked",
		near: []memnet.Box{memnet.NAT{Public: homePublic, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: homeClient}}}},
		far:  []memnet.Box{controlOnly}, mode: ftpnat.PORT},
	{name: "a NAT, and a server with its passive ports blocked", near: []memnet.Box{homeNAT}, far: []memnet.Box{controlOnly}},
	{name: "firewalls on both sides", near: []memnet.Box{memnet.InboundOnly(memnet.Drop)}, far: []memnet.Box{controlOnly}},
	{name: "a server behind a NAT that does not know it", far: []memnet.Box{officeNAT(memnet.AllPorts)}, mode: ftpnat.EPSV},
	{name: "a server behind a NAT that forwards port 21 alone", near: []memnet.Box{homeNAT}, far: []memnet.Box{officeNAT(memnet.Port(21))}},
	{name: "a firewall that resets at a private address (2006)", near: []memnet.Box{homeNAT},
		far: []memnet.Box{memnet.CommandBox{Verbs: []string{"PORT", "EPRT"}, Arg: memnet.PrivateEndpoint, Do: memnet.Reset}}, mode: ftpnat.EPSV},
	{name: "a firewall that swallows EPSV", near: []memnet.Box{homeNAT, memnet.CommandBox{Verbs: []string{"EPSV"}, Do: memnet.Swallow}}, mode: ftpnat.PASV},
	{name: "a box that spoils the reply to EPSV", near: []memnet.Box{memnet.ReplyBox{Code: "229", Port: 3001}}, mode: ftpnat.PASV},
	{name: "a box that accepts connections in the server's place", near: []memnet.Box{homeNAT}, far: []memnet.Box{memnet.SYNProxy{Ports: dataPorts}}},
	{name: "a line that loses the first segment of each connection", near: []memnet.Box{memnet.Loss{SYNs: 1, EachConnection: true, Ports: dataPorts}}, mode: ftpnat.EPSV},
	{name: "a box that cuts data connections", far: []memnet.Box{memnet.Cut{Ports: dataPorts, From: memnet.Server, Do: memnet.Reset}}, mode: ftpnat.PORT},
}

func withHelper(n memnet.NAT) memnet.NAT {
	n.FTPHelper = true
	return n
}

// officeNAT is in front of a server that does not know of it.
func officeNAT(forwarded ...memnet.PortRange) memnet.NAT {
	n := memnet.NAT{Public: publicServer, Filtering: memnet.AddressAndPortDependent}
	for _, p := range forwarded {
		n.Forwards = append(n.Forwards, memnet.Forward{Ports: p, To: officeServer})
	}
	return n
}

// probeBoxes probes the embedded server behind each box, all at once, and
// writes the reports in order.
func probeBoxes(ctx context.Context, stdout io.Writer) ([]finding, error) {
	type result struct {
		finding
		err error
	}
	results := make([]chan result, len(boxes))
	for i, b := range boxes {
		results[i] = make(chan result, 1)
		go func() {
			f, err := b.probe(ctx)
			results[i] <- result{f, err}
		}()
	}
	var all []finding
	var firstErr error
	for i, b := range boxes {
		r := <-results[i] // also after an error: nothing is left behind
		if r.err != nil {
			if firstErr == nil {
				firstErr = fmt.Errorf("%s: %w", b.name, r.err)
			}
			continue
		}
		all = append(all, r.finding)
		if firstErr == nil {
			firstErr = b.show(stdout, r.finding, i+1)
		}
		if firstErr == nil && r.Report.Mode != b.mode {
			firstErr = fmt.Errorf("%s: %v works, and %v was expected to", b.name, r.Report.Mode, b.mode)
		}
	}
	return all, firstErr
}

// show writes the report on one box.
func (b box) show(w io.Writer, f finding, number int) error {
	right := fmt.Sprintf("%d/%d", number, len(boxes))
	gap := strings.Repeat(" ", max(100-len(f.Box)-len(right), 2))
	_, err := fmt.Fprintf(w, "%s\n%s%s%s\n%s\n\n%s\n", strings.Repeat("─", 100), f.Box, gap, right, f.Path, f.Report)
	return err
}

// probe builds the network of a box and probes the server on it.
func (b box) probe(ctx context.Context) (finding, error) {
	n := memnet.New(memnet.Config{Latency: latency})
	defer n.Close()
	clientAddr, serverAddr := b.addrs()
	client := n.Site(b.near...).Host("client", clientAddr)
	machine := n.Site(b.far...).Host(host, serverAddr)
	n.Name(host, publicServer)
	srv := &ftptest.Server{
		Tree:        ftptest.NewTree(),
		Users:       map[string]string{user: secret},
		Personality: ftptest.VSFTPD(),
		Network:     ftptest.Network{Listen: machine.Listen, Dial: machine.DialFrom, ActivePort: 20},
	}
	if err := srv.Tree.WriteFile("README", []byte("Daily figures, one file a year.\n"), 0o644); err != nil {
		return finding{}, err
	}
	ln, err := machine.Listen(ctx, "tcp", ":21")
	if err != nil {
		return finding{}, fmt.Errorf("start the embedded server: %w", err)
	}
	srv.Start(ln)
	defer srv.Close()
	d := ftpnat.Dialer{User: user, Password: secret, DialContext: client.DialContext, Listen: client.Listen}
	r, err := d.Probe(ctx, host)
	return finding{Box: b.name, Path: b.path(), Report: r}, err
}

// addrs returns the addresses of the client and the server, which are private
// behind a NAT.
func (b box) addrs() (client, server netip.Addr) {
	client, server = publicClient, publicServer
	for _, x := range b.near {
		if _, ok := x.(memnet.NAT); ok {
			client = homeClient
		}
	}
	for _, x := range b.far {
		if _, ok := x.(memnet.NAT); ok {
			server = officeServer
		}
	}
	return client, server
}

// path returns the boxes between the client and the server on one line.
func (b box) path() string {
	client, server := b.addrs()
	parts := []string{fmt.Sprintf("client %v", client)}
	for _, x := range b.near {
		parts = append(parts, describe(x))
	}
	for i := range b.far {
		parts = append(parts, describe(b.far[len(b.far)-1-i]))
	}
	return strings.Join(append(parts, fmt.Sprintf("server %v", server)), " ── ")
}

// describe names a box for the path.
func describe(b memnet.Box) string {
	switch b := b.(type) {
	case memnet.NAT:
		return fmt.Sprintf("[NAT %v]", b.Public)
	case memnet.Firewall:
		return "[firewall]"
	}
	return "[box]"
}

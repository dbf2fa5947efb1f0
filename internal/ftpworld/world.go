// Package ftpworld is the network that tests of a client run on: a client and
// an FTP server of [ftptest], with the boxes of [memnet] between them. It knows
// nothing of the client's code, so that a test of any package may use it.
package ftpworld

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// The addresses of every test network.
var (
	PrivateClient = netip.MustParseAddr("10.0.0.2")
	PublicClient  = netip.MustParseAddr("203.0.113.2")
	NATAddr       = netip.MustParseAddr("203.0.113.7")
	ServerAddr    = netip.MustParseAddr("198.51.100.10")
	PrivateServer = netip.MustParseAddr("10.9.0.10")
	DeadAddr      = netip.MustParseAddr("192.0.2.99")
)

const (
	Latency = 25 * time.Millisecond // one way
	RTT     = 2 * Latency
)

// serverName is the name of every server.
const serverName = "ftp.example.com"

// Content is the file that every test server has, as pub/file.bin.
var Content = func() []byte {
	b := make([]byte, 200_000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}()

// Setup describes a network with one client and one server.
type Setup struct {
	Near   []memnet.Box // between the client and the public segment
	Far    []memnet.Box // between the server and it
	Client netip.Addr   // zero means public, or private behind a NAT
	Server netip.Addr   // zero means public
	Name   netip.Addr   // what the server's name resolves to; zero means its own
	FTP    func(*ftptest.Server)
	Real   bool // in real time, for tests without synctest
	// Latency is one way; zero means that of every test network.
	Latency time.Duration
	Lossy   memnet.Lossy
}

// World is a Setup that runs.
type World struct {
	Net    *memnet.Network
	Near   *memnet.Site
	Far    *memnet.Site
	Client *memnet.Host
	Server *ftptest.Server
	Addr   string // host:port of the server
}

// New starts the network and the server. The caller ends them by Close.
func New(t testing.TB, s Setup) *World {
	t.Helper()
	lat := cmp.Or(s.Latency, Latency)
	if s.Real {
		lat = 0
	}
	w := &World{Net: memnet.New(memnet.Config{Latency: lat, Lossy: s.Lossy})}
	w.Near = w.Net.Site(s.Near...)
	w.Client = w.Near.Host("client", s.clientAddr())
	w.Far = w.Net.Site(s.Far...)
	addr := ServerAddr
	if s.Server.IsValid() {
		addr = s.Server
	}
	host := w.Far.Host(serverName, addr)
	if s.Name.IsValid() {
		w.Net.Name(serverName, s.Name)
	}
	w.Server = &ftptest.Server{Tree: newTree(t), Network: ftptest.Network{Listen: host.Listen, Dial: host.DialFrom, ActivePort: 20}, Personality: ftptest.VSFTPD()}
	if s.FTP != nil {
		s.FTP(w.Server)
	}
	port := "21"
	if w.Server.ImplicitTLS {
		port = "990"
	}
	w.Addr = net.JoinHostPort(serverName, port)
	ln, err := host.Listen(t.Context(), "tcp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	w.Server.Start(ln)
	return w
}

func (s Setup) clientAddr() netip.Addr {
	if s.Client.IsValid() {
		return s.Client
	}
	for _, b := range s.Near {
		if _, ok := b.(memnet.NAT); ok {
			return PrivateClient
		}
	}
	return PublicClient
}

// newTree returns the files that every server has.
func newTree(t testing.TB) *ftptest.Tree {
	t.Helper()
	tree := ftptest.NewTree()
	for name, data := range map[string][]byte{"pub/file.bin": Content, "empty": nil} {
		if err := tree.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// Close ends the server and the network.
func (w *World) Close() {
	w.Server.Close()
	w.Net.Close()
}

// Verbs returns the commands of all control connections, those of each in
// order, with " | " between the connections.
func (w *World) Verbs() string {
	var all []string
	for _, d := range w.Server.Transcript() {
		all = append(all, strings.Join(d.Verbs(), " "))
	}
	return strings.Join(all, " | ")
}

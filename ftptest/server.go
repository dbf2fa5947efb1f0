package ftptest

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"time"

	server "github.com/ftpnat/ftpnat/internal/ftptest"
)

// A Server is an FTP server that listens on a port of the loopback interface
// that the system chooses.
type Server struct {
	// URL is the server's root directory, such as "ftp://127.0.0.1:40321/",
	// with no user in it. The scheme is ftpes with TLS, and ftps with implicit
	// TLS. It is set by Start and StartTLS, as is Addr.
	URL string
	// Addr is the server's address as host:port.
	Addr string

	// The fields below may be set between NewUnstartedServer and Start.

	// Users maps names to passwords. Nil means that any login is accepted.
	Users map[string]string
	// Faults are what the server does wrong. The first that matches counts.
	Faults []Fault
	// ImplicitTLS makes StartTLS serve TLS from the first byte, rather than
	// after AUTH TLS.
	ImplicitTLS bool
	// Rate is the speed of each data connection in bytes per second. Zero
	// means no limit.
	Rate int64
	// MaxConns is the number of control connections that are served at the
	// same time; another one is answered with 421. Zero means no limit.
	MaxConns int

	inner server.Server
	cert  server.Cert
}

// NewServer starts a server, without TLS, that holds a copy of the files of
// fsys. A nil fsys means no files. The caller must call Close when finished.
// It panics if fsys cannot be read or there is no port to listen on.
func NewServer(fsys fs.FS, faults ...Fault) *Server {
	s := NewUnstartedServer(fsys, faults...)
	s.Start()
	return s
}

// NewTLSServer starts a server as NewServer does. It offers AUTH TLS and
// refuses a login without. Clients need the configuration that
// [Server.ClientTLS] returns.
func NewTLSServer(fsys fs.FS, faults ...Fault) *Server {
	s := NewUnstartedServer(fsys, faults...)
	s.StartTLS()
	return s
}

// NewUnstartedServer returns a server that does not listen yet, so that its
// fields may be set. The caller must call Start or StartTLS, and Close when
// finished.
func NewUnstartedServer(fsys fs.FS, faults ...Fault) *Server {
	s := &Server{Faults: faults}
	s.inner.Tree = server.NewTree()
	if fsys != nil {
		tree, err := server.TreeFrom(fsys)
		if err != nil {
			panic(fmt.Sprintf("ftptest: reading the files: %v", err))
		}
		s.inner.Tree = tree
	}
	return s
}

// Start starts a server from NewUnstartedServer.
func (s *Server) Start() { s.start("ftp") }

// StartTLS starts a server from NewUnstartedServer with TLS.
func (s *Server) StartTLS() {
	cert, err := server.NewCert(loopback)
	if err != nil {
		panic(fmt.Sprintf("ftptest: making a certificate: %v", err))
	}
	s.cert = cert
	s.inner.TLS = cert.Server
	s.inner.RequireTLS = true
	s.inner.ImplicitTLS = s.ImplicitTLS
	if s.ImplicitTLS {
		s.start("ftps")
	} else {
		s.start("ftpes")
	}
}

// loopback is the address that the server listens on.
const loopback = "127.0.0.1"

func (s *Server) start(scheme string) {
	if s.URL != "" {
		panic("ftptest: the server has been started already")
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		panic(fmt.Sprintf("ftptest: no port to listen on: %v", err))
	}
	s.inner.Users = maps.Clone(s.Users)
	s.inner.Limits.Rate = s.Rate
	s.inner.Limits.MaxConns = s.MaxConns
	for _, f := range s.Faults {
		f.apply(&s.inner)
	}
	s.Addr = ln.Addr().String()
	s.URL = scheme + "://" + s.Addr + "/"
	s.inner.Start(ln)
}

// Close shuts down the server and its connections, and waits until they have
// ended. What FS and Commands return stays available.
func (s *Server) Close() { _ = s.inner.Close() }

// ClientTLS returns a new TLS configuration that accepts the server's
// certificate, and nil for a server without TLS.
func (s *Server) ClientTLS() *tls.Config {
	if s.cert.Pool == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.cert.Pool, ServerName: loopback}
}

// FS returns the server's files, as clients have left them. It shows later
// changes too.
func (s *Server) FS() fs.FS { return s.inner.Tree.FS() }

// WriteFile creates or replaces a file on the server, together with the
// directories it needs. A zero modTime means now.
func (s *Server) WriteFile(name string, data []byte, modTime time.Time) error {
	err := s.inner.Tree.WriteFile(name, data, 0o644)
	if err != nil || modTime.IsZero() {
		return err
	}
	return s.inner.Tree.Chtimes(name, modTime)
}

// Remove removes a file or an empty directory of the server.
func (s *Server) Remove(name string) error { return s.inner.Tree.Remove(name) }

// Commands returns the commands that were received on all control connections,
// in the order of the connections. Passwords are masked.
func (s *Server) Commands() []string {
	var list []string
	for _, d := range s.inner.Transcript() {
		for _, line := range d.Commands() {
			list = append(list, masked(line))
		}
	}
	return list
}

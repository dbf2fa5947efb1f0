package beam

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

const secret = "hunter2"

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run keeps what Beam and its workers log, which is much, and looks for the
// password in it.
func run(m *testing.M) int {
	stderr := os.Stderr
	logs, err := os.CreateTemp("", "beam-*.log")
	if err != nil {
		panic(err)
	}
	defer os.Remove(logs.Name())
	os.Stderr = logs
	code := ptest.MainRetWithDefault(m, "prism")
	os.Stderr = stderr
	text, err := os.ReadFile(logs.Name())
	switch {
	case err != nil:
		panic(err)
	case bytes.Contains(text, []byte(secret)):
		fmt.Println("FAIL: the password is in Beam's logs")
		code = 1
	case flag.Lookup("test.run").Value.String() == "" && !bytes.Contains(text, []byte("Reading from ")):
		fmt.Println("FAIL: Beam's logs were not seen")
		code = 1
	}
	if code != 0 {
		stderr.Write(text[max(0, len(text)-10_000):])
	}
	return code
}

// site is a server that can be restarted under the same name: ftp.test.
type site struct {
	t       *testing.T
	current atomic.Pointer[ftptest.Server]
	before  []string // commands that earlier servers got
	tls     bool
	faults  []ftptest.Fault
}

// newSite starts a server and has Beam reach it.
func newSite(t *testing.T, tls bool, faults ...ftptest.Fault) *site {
	t.Helper()
	s := &site{t: t, tls: tls, faults: faults}
	s.start(nil)
	t.Cleanup(func() { s.current.Load().Close() })
	use(t, func(*url.URL) (*ftpnat.Dialer, error) {
		return &ftpnat.Dialer{User: "beam", Password: secret, TLSConfig: s.current.Load().ClientTLS(), DialContext: s.dial}, nil
	})
	return s
}

// use has Beam use a Dialer for the time of a test.
func use(t *testing.T, choose func(*url.URL) (*ftpnat.Dialer, error)) {
	t.Helper()
	UseDialer(choose)
	t.Cleanup(func() {
		if err := CloseIdle(); err != nil {
			t.Error(err)
		}
		servers.Lock()
		servers.all = nil
		servers.Unlock()
		UseDialer(nil)
	})
}

func (s *site) start(old *ftptest.Server) {
	var srv *ftptest.Server
	if old == nil {
		srv = ftptest.NewUnstartedServer(nil)
	} else {
		srv = ftptest.NewUnstartedServer(old.FS())
	}
	srv.Users, srv.Faults = map[string]string{"beam": secret}, s.faults
	if s.tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	s.current.Store(srv)
}

// restart ends all connections and starts a server with the same files.
func (s *site) restart() {
	old := s.current.Load()
	old.Close()
	s.before = append(s.before, old.Commands()...)
	s.start(old)
}

// dial opens connections to the server that is there now.
func (s *site) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if host, _, _ := net.SplitHostPort(addr); host == "ftp.test" {
		addr = s.current.Load().Addr
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// count returns how many commands of a kind the server has got.
func (s *site) count(verb string) (n int) {
	for _, c := range append(s.before, s.current.Load().Commands()...) {
		if first, _, _ := strings.Cut(c, " "); first == verb {
			n++
		}
	}
	return n
}

package ftpnat_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// serverVariable holds what a process of this test binary is to serve, as
// JSON, where it is started as a server and not to run tests.
const serverVariable = "FTPNAT_TEST_SERVER"

func TestMain(m *testing.M) {
	if job := os.Getenv(serverVariable); job != "" {
		if err := serve(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// served is a server in a process of its own, so that what the client's
// process uses can be told apart.
type served struct {
	Files map[string]int64 // size by name; the content is zeros
	Trees []servedTree
	TLS   bool
}

// servedTree is many files in one directory.
type servedTree struct {
	Dir   string
	Files int // file00000.bin and so on
	Size  int64
}

// serve runs a server, prints its address, and returns at the end of the
// standard input.
func serve(job string) error {
	var s served
	if err := json.Unmarshal([]byte(job), &s); err != nil {
		return err
	}
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Personality: ftptest.VSFTPD(), Discard: true, Limits: ftptest.Limits{MaxFileSize: 4 << 30}}
	for name, size := range s.Files {
		if err := srv.Tree.WriteFrom(name, nil, size, 0o644); err != nil {
			return err
		}
	}
	for _, tree := range s.Trees {
		for n := range tree.Files {
			if err := srv.Tree.WriteFrom(fmt.Sprintf("%s/file%05d.bin", tree.Dir, n), nil, tree.Size, 0o644); err != nil {
				return err
			}
		}
	}
	if s.TLS {
		cert, err := ftptest.NewCert("127.0.0.1")
		if err != nil {
			return err
		}
		srv.TLS = cert.Server
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv.Start(ln)
	defer srv.Close()
	fmt.Println(ln.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// start starts the process and returns the address of the server.
func (s served) start(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	job, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serverVariable+"="+string(job))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server's process: %v", err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

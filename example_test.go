package ftpnat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// An address is all that is needed. What stands in between is found out.
func ExampleOpen() {
	addr, stop := startServer()
	defer stop()

	fsys, err := ftpnat.Open(context.Background(), "ftp://demo:secret@"+addr)
	if err != nil {
		log.Fatal(err)
	}
	defer fsys.Close()

	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	data, err := fs.ReadFile(fsys, "report.csv")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", data)
	// Output:
	// report.csv
	// date,orders
	// 2006-01-02,118
}

// One control connection, to fetch a file and to store one.
func ExampleDialer_Dial() {
	addr, stop := startServer()
	defer stop()
	ctx := context.Background()

	d := &ftpnat.Dialer{User: "demo", Password: "secret"}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	n, err := c.Store(ctx, "notes.txt", strings.NewReader("call Rome\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored", n, "bytes")

	r, err := c.Retrieve(ctx, "report.csv", 0)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(os.Stdout, r); err != nil {
		log.Fatal(err)
	}
	// Output:
	// stored 10 bytes
	// date,orders
	// 2006-01-02,118
}

// A program that uses github.com/jlaffaye/ftp gets through with one more
// option. Here the server refuses EPSV: the program does not notice.
func ExampleDialer_DialFunc() {
	addr, stop := startServer(ftptest.Step{On: "EPSV", Reply: "500 Unknown command."})
	defer stop()
	ctx := context.Background()

	d := new(ftpnat.Dialer)
	c, err := ftp.Dial(addr, ftp.DialWithDialFunc(d.DialFunc(ctx)))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Quit()
	if err := c.Login("demo", "secret"); err != nil {
		log.Fatal(err)
	}
	entries, err := c.List("")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Size, e.Name)
	}
	// Output:
	// 27 report.csv
}

// The story of 2006: a program that insists on active mode, behind a NAT. The
// connection is cut, and the error says why and what to do.
func ExampleNegotiateError() {
	d, addr, stop := behindNAT(memnet.CommandBox{Verbs: []string{"PORT"}, Do: memnet.Reset})
	defer stop()
	ctx := context.Background()

	d.Modes = []ftpnat.Mode{ftpnat.PORT}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.Retrieve(ctx, "report.csv", 0)
	var failed *ftpnat.NegotiateError
	if !errors.As(err, &failed) {
		log.Fatal(err)
	}
	for _, a := range failed.Attempts {
		fmt.Printf("%v with %v: %v\n", a.Mode, a.Advertised.Addr(), a.Cause)
	}
	fmt.Println(strings.ReplaceAll(failed.Advice()[0], ". ", ".\n"))
	// Output:
	// PORT with 192.168.1.10: the control connection was cut
	// PORT with 203.0.113.7: the control connection was cut
	// The connection was cut when this machine asked the server to connect back to it (PORT).
	// It had to name its address, 192.168.1.10, which is private: it means nothing outside your own network, and the server, or a firewall on the way, takes it for an attack.
	// Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.
}

// What happens on the way: here all that is sent, and each attempt to open a
// data connection. The server refuses EPSV.
func ExampleWithTrace() {
	addr, stop := startServer(ftptest.Step{On: "EPSV", Reply: "500 Unknown command."})
	defer stop()

	ctx := ftpnat.WithTrace(context.Background(), &ftpnat.Trace{
		Command: func(line string) { fmt.Println(">", line) },
		Attempt: func(a ftpnat.Attempt) { fmt.Printf("* %v: %v\n", a.Mode, a.Cause) },
	})
	d := &ftpnat.Dialer{User: "demo", Password: "secret"}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	r, err := c.Retrieve(ctx, "report.csv", 0)
	if err != nil {
		log.Fatal(err)
	}
	r.Close()
	// Output:
	// > USER demo
	// > PASS ****
	// > TYPE I
	// > OPTS UTF8 ON
	// > FEAT
	// > EPSV
	// * EPSV: the server refused
	// > PASV
	// > RETR report.csv
	// * PASV: it works
	// > QUIT
}

// What one process has learnt about a path, another one need not find out
// again. The server refuses EPSV, which only the first process tries.
func ExampleMemoryMap() {
	addr, stop := startServer(ftptest.Step{On: "EPSV", Reply: "500 Unknown command."})
	defer stop()

	learnt := new(ftpnat.MemoryMap)
	fetch(addr, learnt)
	data, err := json.Marshal(learnt)
	if err != nil {
		log.Fatal(err)
	}

	known := new(ftpnat.MemoryMap) // in the other process
	if err := json.Unmarshal(data, known); err != nil {
		log.Fatal(err)
	}
	fetch(addr, known)
	// Output:
	// EPSV: the server refused
	// PASV: it works
	//
	// PASV: it works
}

// fetch retrieves a file and prints the attempts that it took.
func fetch(addr string, memory ftpnat.Memory) {
	ctx := context.Background()
	d := &ftpnat.Dialer{User: "demo", Password: "secret", Memory: memory}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	r, err := c.Retrieve(ctx, "report.csv", 0)
	if err != nil {
		log.Fatal(err)
	}
	r.Close()
	for _, a := range c.Report().Attempts {
		fmt.Printf("%v: %v\n", a.Mode, a.Cause)
	}
	fmt.Println()
}

// newServer returns a server for the examples, with one file.
func newServer(script []ftptest.Step) *ftptest.Server {
	tree := ftptest.NewTree()
	if err := tree.WriteFile("report.csv", []byte("date,orders\n2006-01-02,118\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	return &ftptest.Server{
		Tree:        tree,
		Users:       map[string]string{"demo": "secret"},
		Personality: ftptest.VSFTPD(),
		Script:      script,
	}
}

// startServer starts a server on a loopback port.
func startServer(script ...ftptest.Step) (addr string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := newServer(script)
	s.Start(ln)
	return ln.Addr().String(), func() { s.Close() }
}

// behindNAT starts a server on a network of its own, which a Dialer reaches
// through a NAT and a box at the server's side.
func behindNAT(box memnet.Box) (d *ftpnat.Dialer, addr string, stop func()) {
	n := memnet.New(memnet.Config{})
	home := n.Site(memnet.Masquerade(netip.MustParseAddr("203.0.113.7")))
	client := home.Host("client", netip.MustParseAddr("192.168.1.10"))
	server := n.Site(box).Host("ftp.example.net", netip.MustParseAddr("198.51.100.10"))
	ln, err := server.Listen(context.Background(), "tcp", ":21")
	if err != nil {
		log.Fatal(err)
	}
	s := newServer(nil)
	s.Listen, s.Dial = server.Listen, server.DialFrom
	s.Start(ln)
	d = &ftpnat.Dialer{
		User: "demo", Password: "secret",
		DialContext: client.DialContext, Listen: client.Listen,
	}
	return d, "ftp.example.net", func() {
		s.Close()
		n.Close()
	}
}

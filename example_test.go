package ftpnat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"
	"testing/fstest"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// An address is all that is needed. What stands in between is found out.
func ExampleOpen() {
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n2006-01-02,118\n")}})
	defer srv.Close()

	fsys, err := ftpnat.Open(context.Background(), srv.URL)
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
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n2006-01-02,118\n")}})
	defer srv.Close()
	ctx := context.Background()

	d := new(ftpnat.Dialer)
	c, err := d.Dial(ctx, srv.Addr)
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
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n2006-01-02,118\n")}}, ftptest.Refuse("EPSV"))
	defer srv.Close()
	ctx := context.Background()

	d := new(ftpnat.Dialer)
	c, err := ftp.Dial(srv.Addr, ftp.DialWithDialFunc(d.DialFunc(ctx)))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Quit()
	if err := c.Login("anonymous", ""); err != nil {
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

// What happens on the way: the commands of a download, and each attempt to open
// a data connection. The server refuses EPSV.
func ExampleWithTrace() {
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n2006-01-02,118\n")}}, ftptest.Refuse("EPSV"))
	defer srv.Close()
	ctx := context.Background()

	d := new(ftpnat.Dialer)
	c, err := d.Dial(ctx, srv.Addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	traced := ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Command: func(line string) { fmt.Println(">", line) },
		Attempt: func(a ftpnat.Attempt) { fmt.Printf("* %v: %v\n", a.Mode, a.Cause) },
	})
	r, err := c.Retrieve(traced, "report.csv", 0)
	if err != nil {
		log.Fatal(err)
	}
	r.Close()
	// Output:
	// > EPSV
	// * EPSV: the server refused
	// > PASV
	// > RETR report.csv
	// * PASV: it works
}

// What one process has learnt about a path, another one need not find out
// again. The server refuses EPSV, which only the first process tries.
func ExampleMemoryMap() {
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n2006-01-02,118\n")}}, ftptest.Refuse("EPSV"))
	defer srv.Close()

	learnt := new(ftpnat.MemoryMap)
	fetch(srv.Addr, learnt)
	data, err := json.Marshal(learnt)
	if err != nil {
		log.Fatal(err)
	}

	known := new(ftpnat.MemoryMap) // in the other process
	if err := json.Unmarshal(data, known); err != nil {
		log.Fatal(err)
	}
	fetch(srv.Addr, known)
	// Output:
	// EPSV: the server refused
	// PASV: it works
	//
	// PASV: it works
}

// fetch retrieves a file and prints the attempts that it took.
func fetch(addr string, memory ftpnat.Memory) {
	ctx := context.Background()
	d := &ftpnat.Dialer{Memory: memory}
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

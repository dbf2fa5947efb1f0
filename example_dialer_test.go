package ftpnat_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// Every mode is tried, also after one has worked, and the report says what is
// wrong. Here the server refuses EPSV.
func ExampleDialer_Probe() {
	srv := ftptest.NewServer(nil, ftptest.Refuse("EPSV"))
	defer srv.Close()

	d := new(ftpnat.Dialer)
	report, err := d.Probe(context.Background(), srv.Addr)
	if err != nil {
		log.Fatal(err) // there is no report: the login failed
	}
	fmt.Println("use", report.Mode)
	for _, a := range report.Attempts {
		fmt.Printf("%v: %v\n", a.Mode, a.Cause)
	}
	for _, s := range report.Advice() {
		fmt.Println(s)
	}
	// Output:
	// use PASV
	// EPSV: the server refused
	// PASV: it works
	// PORT: it works
	// EPRT: it works
	// PASV works, and is found after EPSV.
}

// TLS is used from the login on, and for data connections too. The roots are
// those of an authority of one's own; nil means the system's.
func ExampleDialer_tls() {
	srv := ftptest.NewTLSServer(fstest.MapFS{"report.csv": {Data: []byte("1,2,3\n")}})
	defer srv.Close()

	d := ftpnat.Dialer{TLSConfig: srv.ClientTLS()} // or &tls.Config{RootCAs: roots}
	fsys, err := d.Open(context.Background(), srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer fsys.Close()
	data, err := fsys.ReadFile("report.csv")
	fmt.Printf("%s%v\n", data, err)

	_, err = ftpnat.Open(context.Background(), srv.URL) // with the system's roots
	fmt.Println(err != nil)
	// Output:
	// 1,2,3
	// <nil>
	// true
}

package ftptest_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// A download from a server with one file.
func Example() {
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("1,2,3\n")}})
	defer srv.Close()

	fsys, err := ftpnat.Open(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	data, err := fs.ReadFile(fsys, "report.csv")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// 1,2,3
	// <nil>
}

// What a program left on the server.
func ExampleServer_FS() {
	srv := ftptest.NewServer(nil)
	defer srv.Close()

	fsys, err := ftpnat.Open(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	if _, err := fsys.Upload("report.csv", strings.NewReader("1,2,3\n")); err != nil {
		fmt.Println(err)
	}

	names, err := fs.Glob(srv.FS(), "*")
	fmt.Println(names, err)
	// Output:
	// [report.csv] <nil>
}

// A server that refuses EPSV and breaks the first data connection.
func ExampleFault() {
	files := fstest.MapFS{"report.csv": {Data: []byte("1,2,3\n4,5,6\n")}}
	srv := ftptest.NewServer(files, ftptest.Refuse("EPSV"), ftptest.CutData(6).On(1))
	defer srv.Close()

	fsys, err := ftpnat.Open(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	data, err := fs.ReadFile(fsys, "report.csv")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// 1,2,3
	// 4,5,6
	// <nil>
}

// A server that asks for a login, under TLS.
func ExampleNewUnstartedServer() {
	srv := ftptest.NewUnstartedServer(fstest.MapFS{"report.csv": {Data: []byte("1,2,3\n")}})
	srv.Users = map[string]string{"joe": "secret"}
	srv.StartTLS()
	defer srv.Close()

	d := ftpnat.Dialer{User: "joe", Password: "secret", TLSConfig: srv.ClientTLS()}
	fsys, err := d.Open(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
	info, err := fsys.Stat("report.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Name(), info.Size())
	// Output:
	// report.csv 6
}

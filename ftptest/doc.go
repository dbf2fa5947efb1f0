// Package ftptest provides an FTP server on the loopback interface for the
// tests of programs that use FTP, as net/http/httptest does for HTTP.
//
//	srv := ftptest.NewServer(os.DirFS("testdata"))
//	defer srv.Close()
//	fsys, err := ftpnat.Open(ctx, srv.URL)
//	...
//	data, err := fs.ReadFile(srv.FS(), "report.csv") // what the server holds now
//
// The files are a copy in memory, which clients may change. A [Fault] makes the
// server misbehave, by name:
//
//	srv := ftptest.NewServer(files, ftptest.Refuse("EPSV"), ftptest.CutData(1000).On(1))
//
// Package ftptest does not import package ftpnat and works with any client.
package ftptest

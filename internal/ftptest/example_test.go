package ftptest_test

import (
	"fmt"
	"io"
	"net"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// A server whose EPSV is refused, and the commands that a client sent to it.
func Example() {
	s := &ftptest.Server{
		Tree:        ftptest.NewTree(),
		Personality: ftptest.VSFTPD(),
		Script:      []ftptest.Step{{On: "EPSV", Reply: "550 Permission denied."}},
	}
	defer s.Close()
	if err := s.Tree.WriteFile("report.csv", []byte("1,2,3\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Start(ln)

	if err := download(ln.Addr().String()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(s.Transcript()[0].Verbs())
	// Output:
	// 1,2,3
	// [USER PASS FEAT TYPE OPTS EPSV PASV RETR]
}

func download(addr string) error {
	c, err := ftp.Dial(addr)
	if err != nil {
		return err
	}
	if err := c.Login("anonymous", "guest"); err != nil {
		return err
	}
	r, err := c.Retr("report.csv")
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	fmt.Print(string(data))
	if err != nil {
		return err
	}
	return r.Close()
}

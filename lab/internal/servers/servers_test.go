//go:build linux

package servers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// session lists, downloads and uploads with curl(1)'s opposite: bare commands
// of a client that every machine has.
const session = `
import ftplib, io, sys
ftp = ftplib.FTP(timeout=10)
ftp.connect(sys.argv[1], 21)
ftp.login("lab", "secret")
print("names", sorted(n for n in ftp.nlst() if n not in (".", "..")))
got = io.BytesIO()
ftp.retrbinary("RETR hello.txt", got.write)
print("got", got.getvalue())
ftp.storbinary("STOR up.txt", io.BytesIO(b"thanks"))
print("size", ftp.size("up.txt"))
ftp.quit()
`

func TestServe(t *testing.T) {
	in := internet(t)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := start(t, Options{Kind: kind, Namespace: in.Server, Addr: in.ServerAddr})
			if err := os.WriteFile(filepath.Join(s.Root, "hello.txt"), []byte("hello"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := in.Client.Run(t.Context(), session, systemPython, "-", in.ServerAddr.String())
			if err != nil {
				t.Fatal(err)
			}
			if want := "names ['hello.txt']\ngot b'hello'\nsize 6\n"; got != want {
				t.Errorf("session:\n%s\nwant:\n%s", got, want)
			}
			up, err := os.ReadFile(filepath.Join(s.Root, "up.txt"))
			if err != nil || string(up) != "thanks" {
				t.Errorf("uploaded %q, %v", up, err)
			}
		})
	}
}

// dialogue logs in twice and prints the replies to EPSV and PASV, and the
// second greeting.
const dialogue = `
import ftplib, sys
ftp = ftplib.FTP(timeout=10)
ftp.connect(sys.argv[1], 21)
ftp.login("lab", "secret")
for command in "EPSV", "PASV":
    try:
        print(command, ftp.sendcmd(command))
    except ftplib.Error as e:
        print(command, e)
try:
    second = ftplib.FTP(timeout=10)
    second.connect(sys.argv[1], 21)
    second.login("lab", "secret")
    print("second ok")
except (ftplib.Error, EOFError) as e:
    print("second", e)
`

func TestOptions(t *testing.T) {
	in := internet(t)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			epsv := "EPSV 5"
			o := Options{
				Kind: kind, Namespace: in.Server, Addr: in.ServerAddr, RefuseEPSV: true,
				PassiveAddr: in.DeadAddr, PassivePorts: [2]uint16{51200, 51203}, MaxPerClient: 1,
			}
			if kind == PureFTPd {
				o.RefuseEPSV, epsv = false, "EPSV 229"
			}
			start(t, o)
			got, err := in.Client.Run(t.Context(), dialogue, systemPython, "-", in.ServerAddr.String())
			if err != nil {
				t.Fatal(err)
			}
			// 51200 is 200*256.
			named := strings.ReplaceAll(in.DeadAddr.String(), ".", ",") + ",200,"
			lines := strings.Split(got, "\n")
			if !strings.HasPrefix(lines[0], epsv) || !strings.Contains(lines[1], named) || strings.Contains(got, "second ok") {
				t.Errorf("dialogue:\n%s\nwant %q, %q in the reply to PASV, and no second login", got, epsv, named)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	in := internet(t)
	_, err := Start(t.Context(), Options{Kind: Vsftpd, Namespace: in.Server, Addr: in.DeadAddr})
	if err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("Start on an address that the host has not: %v", err)
	}
}

func internet(t *testing.T) *netns.Internet {
	t.Helper()
	labtest.Need(t, netns.Check(), Missing())
	in, err := netns.Build(t.Context(), netns.Site{}, netns.Site{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return in
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Log())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

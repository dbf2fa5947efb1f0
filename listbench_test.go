//go:build unix && !race

package ftpnat_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat"
)

// cannedList is a server that sends the same listing to everybody. It costs next to
// nothing itself, so that what is measured is the client.
func cannedList(tb testing.TB, text []byte) (addr string) {
	ln := listenLoopback(tb)
	tb.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go serveCanned(nc, text)
		}
	}()
	return ln.Addr().String()
}

func serveCanned(nc net.Conn, text []byte) {
	defer nc.Close()
	var data net.Listener
	fmt.Fprint(nc, "220 Ready.\r\n")
	for lines := bufio.NewScanner(nc); lines.Scan(); {
		verb, _, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "USER":
			fmt.Fprint(nc, "331 Go on.\r\n")
		case "PASS":
			fmt.Fprint(nc, "230 Welcome.\r\n")
		case "TYPE", "CWD":
			fmt.Fprint(nc, "200 Done.\r\n")
		case "PWD":
			fmt.Fprint(nc, "257 \"/\"\r\n")
		case "EPSV":
			data, _ = net.Listen("tcp", "127.0.0.1:0")
			fmt.Fprintf(nc, "229 Ready (|||%d|)\r\n", data.Addr().(*net.TCPAddr).Port)
		case "LIST":
			c, err := data.Accept()
			data.Close()
			if err != nil {
				return
			}
			fmt.Fprint(nc, "150 Here it comes.\r\n")
			_, _ = c.Write(text)
			c.Close()
			fmt.Fprint(nc, "226 Done.\r\n")
		default:
			fmt.Fprint(nc, "500 Unknown.\r\n")
		}
	}
}

// BenchmarkMillionEntries lists a million files in one directory: the processor time,
// server and all, and the memory that is held at the end of it.
func BenchmarkMillionEntries(b *testing.B) {
	const n = 1_000_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "-rw-r--r--    1 1000     1000     %10d Nov %2d %02d:%02d a file with the number %07d.dat\r\n", i*7, i%28+1, i%24, i%60, i)
	}
	addr := cannedList(b, []byte(text.String()))
	inPieces := func(fsys *ftpnat.FS) (int, any, error) {
		f, err := fsys.Open(".")
		if err != nil {
			return 0, nil, err
		}
		defer f.Close()
		for total := 0; ; {
			list, err := f.(fs.ReadDirFile).ReadDir(1000)
			total += len(list)
			if err == io.EOF {
				return total, f, nil
			}
			if err != nil {
				return total, f, err
			}
		}
	}
	whole := func(fsys *ftpnat.FS) (int, any, error) {
		f, err := fsys.Open(".")
		if err != nil {
			return 0, nil, err
		}
		defer f.Close()
		list, err := f.(fs.ReadDirFile).ReadDir(-1)
		return len(list), list, err
	}
	byName := func(fsys *ftpnat.FS) (int, any, error) {
		list, err := fsys.ReadDir(".")
		return len(list), list, err
	}
	for _, c := range []struct {
		name string
		list func(*ftpnat.FS) (int, any, error)
	}{{"File.ReadDir(1000)", inPieces}, {"File.ReadDir(-1)", whole}, {"FS.ReadDir", byName}} {
		b.Run(c.name, func(b *testing.B) {
			fsys, err := ftpnat.Open(b.Context(), "ftp://"+addr)
			if err != nil {
				b.Fatal(err)
			}
			defer fsys.Close()
			measureList(b, n, func() (int, any, error) { return c.list(fsys) })
		})
	}
	b.Run("jlaffaye", func(b *testing.B) {
		conn, err := ftp.Dial(addr)
		if err == nil {
			err = conn.Login("anonymous", "x")
		}
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Quit()
		measureList(b, n, func() (int, any, error) {
			list, err := conn.List("")
			return len(list), list, err
		})
	})
}

func measureList(b *testing.B, n int, list func() (int, any, error)) {
	var used time.Duration
	held := int64(0)
	for b.Loop() {
		before, start := liveBytes(), processorTime()
		got, kept, err := list()
		used += processorTime() - start
		if got != n || err != nil {
			b.Fatal(got, err)
		}
		held = liveBytes() - before
		runtime.KeepAlive(kept)
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(held)/float64(n), "B/entry")
	b.ReportAllocs()
}

func liveBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

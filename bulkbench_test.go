//go:build unix && !race

package ftpnat_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/hostport"
)

// bare is as little of an FTP client as a transfer takes, beside which the
// library is measured: what is left is the system's copy.
type bare struct {
	tb   testing.TB
	text *textproto.Conn
	tls  *tls.Config // of data connections; nil for clear text
	host string
}

func dialBare(tb testing.TB, addr string, cfg *tls.Config) *bare {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(addr)
	b := &bare{tb: tb, text: textproto.NewConn(nc), host: host}
	tb.Cleanup(func() { b.text.Close() })
	b.reply(220)
	if cfg != nil {
		b.command(234, "AUTH TLS")
		b.tls = cfg.Clone()
		b.tls.ServerName, b.tls.ClientSessionCache = host, tls.NewLRUClientSessionCache(1)
		tc := tls.Client(nc, b.tls)
		b.text = textproto.NewConn(tc)
	}
	b.command(331, "USER anonymous")
	b.command(230, "PASS x")
	b.command(200, "TYPE I")
	if cfg != nil {
		b.command(200, "PBSZ 0")
		b.command(200, "PROT P")
	}
	return b
}

func (b *bare) reply(code int) string {
	_, text, err := b.text.ReadResponse(code)
	if err != nil {
		b.tb.Fatal(err)
	}
	return text
}

func (b *bare) command(code int, line string) string {
	if err := b.text.PrintfLine("%s", line); err != nil {
		b.tb.Fatal(err)
	}
	return b.reply(code)
}

// data sends a command and returns its data connection.
func (b *bare) data(line string) net.Conn {
	port, err := hostport.ParseEPSV(b.command(229, "EPSV"))
	if err != nil {
		b.tb.Fatal(err)
	}
	nc, err := net.Dial("tcp", net.JoinHostPort(b.host, fmt.Sprint(port)))
	if err != nil {
		b.tb.Fatal(err)
	}
	b.command(150, line)
	if b.tls != nil {
		return tls.Client(nc, b.tls)
	}
	return nc
}

// get copies a file of the server to w, in the kernel where that is a file.
func (b *bare) get(w io.Writer) (int64, error) {
	nc := b.data("RETR big")
	defer b.reply(226)
	defer nc.Close()
	if file, ok := w.(*os.File); ok && b.tls == nil {
		return file.ReadFrom(nc)
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{nc}, make([]byte, 256<<10))
}

// put copies a file of the system to the server.
func (b *bare) put(file *os.File) (int64, error) {
	nc := b.data("STOR up")
	defer b.reply(226)
	defer nc.Close()
	if b.tls == nil {
		return io.Copy(nc, file)
	}
	return io.CopyBuffer(struct{ io.Writer }{nc}, struct{ io.Reader }{file}, make([]byte, 256<<10))
}

// rivals are the bare client and the library, at the same server.
type rivals struct {
	bare *bare
	fsys *ftpnat.FS
}

// meet starts a server with a large file, in another process, and opens a
// session of either with it.
func meet(b *testing.B, size int64, scheme string) rivals {
	addr := served{Files: map[string]int64{"big": size}, TLS: scheme == "ftpes"}.start(b)
	d := new(ftpnat.Dialer)
	if scheme == "ftpes" {
		// The certificate is made in the other process.
		d.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	fsys, err := d.Open(b.Context(), scheme+"://"+addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { fsys.Close() })
	return rivals{dialBare(b, addr, d.TLSConfig), fsys}
}

// get copies the large file to w by the library.
func (r rivals) get(w io.Writer) (int64, error) {
	f, err := r.fsys.Open("big")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}

// put copies a file of the system to the server by the library.
func (r rivals) put(src *os.File) (int64, error) {
	f, err := r.fsys.Create("up")
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, src)
	if err != nil {
		return n, err
	}
	return n, f.Close()
}

// BenchmarkBulk moves a large file and reports the time, and the processor's
// time in this process, as ratios to those of a bare client at the same server
// in the same run: medians of pairs. The server is in another process.
func BenchmarkBulk(b *testing.B) {
	const size = 256 << 20
	dir := b.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		return f
	}
	dst, src := create("dst"), create("src")
	if err := src.Truncate(size); err != nil {
		b.Fatal(err)
	}
	for _, scheme := range []string{"ftp", "ftpes"} {
		r := meet(b, size, scheme)
		for _, c := range []struct {
			name       string
			bare, ours func() (int64, error)
		}{
			{"to_a_file", func() (int64, error) { return r.bare.get(dst) }, func() (int64, error) { return r.get(dst) }},
			{"to_nowhere", func() (int64, error) { return r.bare.get(io.Discard) }, func() (int64, error) { return r.get(io.Discard) }},
			{"from_a_file", func() (int64, error) { return r.bare.put(src) }, func() (int64, error) { return r.put(src) }},
		} {
			b.Run(scheme+"_"+c.name, func(b *testing.B) {
				compare(b, size, c.bare, c.ours, dst, src)
			})
		}
	}
}

// compare measures two ways to do the same, in turn, and now one first and now
// the other. The files are rewound before each.
func compare(b *testing.B, size int64, bare, ours func() (int64, error), files ...*os.File) {
	var wall, cpu []float64
	b.SetBytes(size)
	b.ReportAllocs()
	one := func(do func() (int64, error)) (time.Duration, time.Duration) {
		for _, f := range files {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				b.Fatal(err)
			}
		}
		used, start := processor(), time.Now()
		if n, err := do(); err != nil || n != size {
			b.Fatalf("%d bytes of %d, %v", n, size, err)
		}
		return time.Since(start), processor() - used
	}
	for round := 0; b.Loop(); round++ {
		var baseWall, baseCPU time.Duration
		base := func() {
			b.StopTimer()
			baseWall, baseCPU = one(bare)
			b.StartTimer()
		}
		if round%2 == 0 {
			base()
		}
		w, c := one(ours)
		if round%2 == 1 {
			base()
		}
		wall = append(wall, float64(w)/float64(baseWall))
		cpu = append(cpu, float64(c)/float64(baseCPU))
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	b.ReportMetric(wall[len(wall)/2], "wall-ratio")
	b.ReportMetric(cpu[len(cpu)/2], "cpu-ratio")
}

// processor returns the processor's time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBulkMemory moves 1 GiB each way: what is allocated on the way in all
// bounds what is held at any time.
func TestBulkMemory(t *testing.T) {
	const size, most = 1 << 30, 10 << 20
	addr := served{Files: map[string]int64{"big": size}}.start(t)
	fsys, err := ftpnat.Open(t.Context(), "ftp://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	src, err := os.Create(filepath.Join(t.TempDir(), "src"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := src.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for name, move := range map[string]func() (int64, error){
		"download": func() (int64, error) {
			f, err := fsys.Open("big")
			if err != nil {
				return 0, err
			}
			defer f.Close()
			return io.Copy(io.Discard, f)
		},
		"upload": func() (int64, error) { return fsys.Upload("up", src) },
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			if n, err := move(); err != nil || n != size {
				t.Fatalf("%d bytes, %v", n, err)
			}
			used := allocated() - before
			t.Logf("%d KiB", used>>10)
			if used > most {
				t.Errorf("%d bytes were allocated, want at most %d", used, most)
			}
		})
	}
}

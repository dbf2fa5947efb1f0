package ftpnat_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// fetchFault is a reason for Fetch to fail.
type fetchFault struct {
	name  string
	steps []ftptest.Step
	lines string                 // of the listing, for lies
	local func(dst string) error // what is done on this side first
	want  error
	text  string // in the error
}

var lies = []ftptest.Step{{On: "LIST", As: "RETR /lies"}, {On: "MLSD", Reply: "500 Unknown."}}

const lie = "-rw-r--r-- 1 u g 1000 Jan 01 2024 " // and a name

var fetchFaults = []fetchFault{
	{name: "unreadable", steps: []ftptest.Step{{On: "RETR", Nth: 3, Reply: "550 Permission denied."}}, want: fs.ErrPermission},
	{name: "disk error", steps: []ftptest.Step{{On: "RETR", Nth: 3, Final: "551 Read error."}}, text: "551"},
	{name: "exists", local: func(dst string) error { return os.WriteFile(filepath.Join(dst, "07"), nil, 0o666) }, want: fs.ErrExist, text: "07"},
	{name: "exists as a directory", local: func(dst string) error { return os.Mkdir(filepath.Join(dst, "07"), 0o777) }, want: fs.ErrExist, text: "07"},
	{name: "exists as a broken link", local: func(dst string) error { return os.Symlink("x", filepath.Join(dst, "07")) }, want: fs.ErrExist, text: "07"},
	{name: "a file for a directory", local: func(dst string) error { return os.WriteFile(filepath.Join(dst, "sub"), nil, 0o666) }, want: fs.ErrExist, text: "sub"},
	{name: "a file for dst", local: func(dst string) error { return errors.Join(os.Remove(dst), os.WriteFile(dst, nil, 0o666)) }, text: "dst"},
	{name: "name with a separator", steps: lies, lines: lie + "../00", text: "../00"},
	{name: "absolute name", steps: lies, lines: lie + "/etc/x", text: "/etc/x"},
	{name: "device", steps: lies, lines: "crw-r--r-- 1 u g 1, 2 Jan 01 2024 dev", text: "many/dev"},
	{name: "not there", steps: lies, lines: lie + "gone", want: fs.ErrNotExist, text: "many/gone"},
	{name: "a directory for a file", steps: lies, lines: lie + "sub", want: syscall.EISDIR, text: "many/sub"},
}

// TestFetchFails has an error that names the file, and leaves nothing that is half
// of a file.
func TestFetchFails(t *testing.T) {
	for _, tt := range fetchFaults {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, conns), func(t *testing.T) {
				s := setup{
					ftp:    func(srv *ftptest.Server) { srv.Personality, srv.Script = ftptest.ProFTPD(), tt.steps },
					dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
				}
				inBubble(t, s, tt.run)
			})
		}
	}
}

func (tt fetchFault) run(t *testing.T, w *world) {
	plantMany(t, w.Server.Tree, 12, 1000)
	if err := w.Server.Tree.WriteFile("lies", []byte(tt.lines+"\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.Server.Tree.MkdirAll("many/sub"); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "dst")
	if err := os.Mkdir(dst, 0o777); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{"dst": "/"}
	if tt.local != nil {
		if err := tt.local(dst); err != nil {
			t.Fatal(err)
		}
		before = localTree(t, filepath.Dir(dst))
	}
	err := w.openFS(t, "").Fetch(dst, "many")
	var pe *fs.PathError
	if !errors.As(err, &pe) || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
		t.Errorf("Fetch = %v", err)
	}
	for name, data := range localTree(t, filepath.Dir(dst)) {
		if was, ok := before[name]; ok && was == data || name == "dst/sub" && data == "/" {
			continue
		}
		w.has(t, strings.Replace(name, "dst/", "many/", 1), data)
	}
}

// TestFetchSizes has listings with a wrong size: what SIZE says, and the
// server's word at the end, decide.
func TestFetchSizes(t *testing.T) {
	for _, tt := range []struct {
		listed string
		size   []ftptest.Step
		want   error
	}{
		{"500", nil, nil},
		{"5000", nil, nil},
		{"0", nil, nil},
		{"500", []ftptest.Step{{On: "SIZE", Reply: "500 Unknown."}}, ftpnat.ErrChanged},
		{"5000", []ftptest.Step{{On: "SIZE", Reply: "500 Unknown."}}, ftpnat.ErrShort},
		{"5000", []ftptest.Step{{On: "SIZE", Reply: "213 5000"}}, ftpnat.ErrShort},
	} {
		s := setup{ftp: func(srv *ftptest.Server) {
			srv.Script = append([]ftptest.Step{{On: "LIST", As: "RETR /lies"}}, tt.size...)
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			plantMany(t, w.Server.Tree, 1, 1000)
			line := "-rw-r--r-- 1 u g " + tt.listed + " Jan 01 2024 00\r\n"
			if err := w.Server.Tree.WriteFile("lies", []byte(line), 0o644); err != nil {
				t.Fatal(err)
			}
			dst := t.TempDir()
			want := map[string]string{"00": string(content[:1000])}
			if tt.want != nil {
				want = nil
			}
			fsys := w.openFS(t, "many")
			if err := fsys.Fetch(dst, "."); !errors.Is(err, tt.want) {
				t.Errorf("%s: Fetch = %v, want %v", tt.listed, err, tt.want)
			}
			sameTrees(t, localTree(t, dst), want)
			// What the server has is known now.
			dst = t.TempDir()
			if err := fsys.Fetch(dst, "."); !errors.Is(err, tt.want) {
				t.Errorf("%s: a second Fetch = %v, want %v", tt.listed, err, tt.want)
			}
			sameTrees(t, localTree(t, dst), want)
		})
	}
}

// TestFetchUnsized has a listing without sizes and a transfer that ends too
// soon and with a 226.
func TestFetchUnsized(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = ftptest.ProFTPD()
		srv.Script = []ftptest.Step{{On: "MLSD", As: "RETR /lies"}, {On: "RETR", Preliminary: "150 Here it comes."}}
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 2, After: 500, Kind: ftptest.Cut}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		plantMany(t, w.Server.Tree, 1, 1000)
		if err := w.Server.Tree.WriteFile("lies", []byte("type=file;modify=20240101000000; 00\r\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		dst := t.TempDir()
		if err := w.openFS(t, "many").Fetch(dst, "."); err != nil {
			t.Error(err)
		}
		sameTrees(t, localTree(t, dst), map[string]string{"00": string(content[:1000])})
	})
}

// TestFirstError has one file refused, and then a full disk: the one ends nothing
// but itself, and the other all transfers at once.
func TestFirstError(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Limits.Rate = 1000
		srv.Script = []ftptest.Step{{On: "RETR", Arg: "many/03", Reply: "550 Permission denied."}, {On: "STOR", Arg: "up/10", Reply: "552 Disk full."}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		plantMany(t, w.Server.Tree, 12, 1000)
		want := serverTree(t, w.Server.Tree, "many")
		delete(want, "03")
		fsys := w.openFS(t, "")
		dst := t.TempDir()
		var pe *fs.PathError
		if err := fsys.Fetch(dst, "many"); !errors.Is(err, fs.ErrPermission) || !errors.As(err, &pe) || pe.Path != "many/03" {
			t.Errorf("Fetch = %v", err)
		}
		sameTrees(t, localTree(t, dst), want)
		src := fstest.MapFS{}
		for i := range 12 {
			src[fmt.Sprint(i)] = &fstest.MapFile{Data: content}
		}
		start := time.Now()
		if err := fsys.CopyFS("up", src); !errors.Is(err, syscall.ENOSPC) || time.Since(start) > 10*time.Second {
			t.Errorf("CopyFS = %v after %v", err, time.Since(start))
		}
	})
}

// TestFetchAnew has a server without REST and transfers that break: they are
// begun anew, but not for ever.
func TestFetchAnew(t *testing.T) {
	for _, breaks := range []int{2, 20} {
		s := setup{ftp: func(srv *ftptest.Server) {
			srv.Personality = ftptest.Ancient()
			for i := range breaks {
				srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Conn: 2 + i, After: 50_000, Kind: ftptest.Reset})
			}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			dst := t.TempDir()
			err := w.openFS(t, "").Fetch(dst, "pub")
			want := map[string]string{"file.bin": string(content)}
			if restarts := 3; breaks > restarts {
				want = nil
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("Fetch = %v", err)
				}
			} else if err != nil {
				t.Errorf("Fetch = %v", err)
			}
			sameTrees(t, localTree(t, dst), want)
		})
	}
}

// TestLocalNames has names that are not UTF-8, and a directory that is a link
// on this side.
func TestLocalNames(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not take names of any bytes")
	}
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = ftptest.ProFTPD() }}, func(t *testing.T, w *world) {
		for _, name := range []string{"n/caf\xe9", "n/back\\slash", "n/C:", "n/nul", "l/sub/x"} {
			if err := w.Server.Tree.WriteFile(name, []byte(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		fsys := w.openFS(t, "")
		dst := t.TempDir()
		if err := fsys.Fetch(dst, "n"); err != nil {
			t.Error(err)
		}
		sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "n"))
		if info, err := os.Stat(filepath.Join(dst, "nul")); err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("the mode of a program is %v, %v", info.Mode(), err)
		}
		outside := t.TempDir()
		dst = t.TempDir()
		if err := os.Symlink(outside, filepath.Join(dst, "sub")); err != nil {
			t.Fatal(err)
		}
		if err := fsys.Fetch(dst, "l"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Fetch into a link = %v", err)
		}
		sameTrees(t, localTree(t, outside), nil)
	})
}

// TestFetchCancelled ends the context in the middle.
func TestFetchCancelled(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 10 * rtt, 3 * time.Second, 30 * time.Second} {
		inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
			plantMany(t, w.Server.Tree, 50, 100_000)
			fsys := w.openFS(t, "")
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			start := time.Now()
			dst := t.TempDir()
			err := fsys.WithContext(ctx).Fetch(dst, "many")
			var pe *fs.PathError
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &pe) || time.Since(start) > after+2*time.Second {
				t.Errorf("Fetch = %v after %v", err, time.Since(start))
			}
			for name, data := range localTree(t, dst) {
				w.has(t, "many/"+name, data)
			}
			ctx, cancel = context.WithTimeout(t.Context(), after)
			defer cancel()
			sub, err := fsys.Sub("many")
			if err != nil {
				t.Fatal(err)
			}
			start = time.Now()
			err = fsys.WithContext(ctx).CopyFS("up", sub)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > after+2*time.Second {
				t.Errorf("CopyFS = %v after %v", err, time.Since(start))
			}
		})
	}
}

// TestFetchClosed closes the FS in the middle.
func TestFetchClosed(t *testing.T) {
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
		plantMany(t, w.Server.Tree, 50, 100_000)
		fsys := w.openFS(t, "")
		time.AfterFunc(5*time.Second, func() { fsys.Close() })
		if err := fsys.Fetch(t.TempDir(), "many"); !errors.Is(err, ftpnat.ErrClosed) {
			t.Errorf("Fetch = %v", err)
		}
	})
}

// TestFetchSweep cuts each connection at many places: what comes of it is the
// tree, or an error and no file that is not whole.
func TestFetchSweep(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD()} {
		var cuts []ftptest.Fault
		for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
			for conn := 1; conn <= 4; conn++ {
				for at := 11 * int64(kind); at < 1500; at += 180 * min(sweepStep, 5) {
					cuts = append(cuts, ftptest.Fault{On: ftptest.Control, Conn: conn, After: at, Kind: kind})
				}
			}
			for conn := 1; conn <= 8; conn++ {
				for _, at := range []int64{0, 1, 5000, 29_999, 30_000} {
					cuts = append(cuts, ftptest.Fault{On: ftptest.Data, Conn: conn, After: at, Kind: kind})
				}
			}
		}
		failed := 0
		for _, cut := range cuts {
			s := setup{ftp: func(srv *ftptest.Server) { srv.Personality, srv.Faults = p, []ftptest.Fault{cut} }}
			inBubble(t, s, func(t *testing.T, w *world) {
				plantMany(t, w.Server.Tree, 6, 30_000)
				fsys, err := w.d.Open(t.Context(), "ftp://"+w.Addr)
				if err != nil {
					return
				}
				defer fsys.Close()
				dst := t.TempDir()
				want := serverTree(t, w.Server.Tree, "many")
				if err = fsys.Fetch(dst, "many"); err != nil {
					failed++
				}
				got := localTree(t, dst)
				if err == nil {
					sameTrees(t, got, want)
				}
				for name, data := range got {
					if want[name] != data {
						t.Errorf("%+v: %s has %d bytes: %v", cut, name, len(data), err)
					}
				}
			})
			if t.Failed() {
				t.Fatalf("%s, %+v", p.Name, cut)
			}
		}
		t.Logf("%s: %d cuts, %d errors", p.Name, len(cuts), failed)
	}
}

package ftpnat_test

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// drainWay is a server whose data connections are ended by somebody on the way, while
// it says 226.
type drainWay struct {
	name   string
	p      ftptest.Personality
	tls    bool // the server ends its data with a closure alert, unless
	mute   bool // it never does
	honest bool // the end comes with an alert: the server itself sent less
}

// drainWays are MLSD and LIST, with and without a size in the 150, in the clear and
// under TLS with and without close_notify.
func drainWays() (all []drainWay) {
	sizeless := ftptest.VSFTPD().Saying("begin", "150 Here it comes.")
	machine := ftptest.ProFTPD().Saying("begin", "150 Here it comes")
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), sizeless, ftptest.ProFTPD(), machine, ftptest.PureFTPd(), ftptest.Pyftpdlib()} {
		name := p.Name
		if p.Replies["begin"] == "150 Here it comes." || p.Replies["begin"] == "150 Here it comes" {
			name += " without a size"
		}
		for _, w := range []drainWay{{name: "clear"}, {name: "TLS", tls: true}, {name: "TLS without alerts", tls: true, mute: true}, {name: "TLS, less sent", tls: true, honest: true}} {
			w.name, w.p = name+"/"+w.name, p
			w.p.TLS.NoNotify = w.mute
			all = append(all, w)
		}
	}
	return all
}

// setup ends the first data connection after a number of bytes; a negative number
// ends none.
func (d drainWay) setup(t *testing.T, dir ftptest.Direction, after int64) setup {
	s := setup{dialer: func(*ftpnat.Dialer) {}, ftp: func(srv *ftptest.Server) {
		srv.Personality = d.p
		switch {
		case after < 0:
		case d.honest && dir == ftptest.Sent:
			srv.Limits.SendMost = map[int]int64{1: after}
		default:
			srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: dir, After: after, Kind: ftptest.Drained}}
		}
	}}
	if !d.tls {
		return s
	}
	return overTLS(t, s)
}

// drainNames are in the directory of the sweep, and drainData is in each file.
var (
	drainNames = []string{"a", "b.txt", "c", "d", "name with blanks"}
	drainData  = content[:600]
)

// drainPlant puts the directory of the sweep into a server.
func drainPlant(t *testing.T, w *world) {
	for _, name := range drainNames {
		if err := w.Server.Tree.WriteFile("dir/"+name, drainData, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// drainReads are the ways to read; each returns what it got.
var drainReads = map[string]func(fsys *ftpnat.FS, dir string) ([]byte, error){
	"ReadFile": func(fsys *ftpnat.FS, _ string) ([]byte, error) { return fsys.ReadFile("dir/a") },
	"Read": func(fsys *ftpnat.FS, _ string) ([]byte, error) {
		f, err := fsys.Open("dir/a")
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	},
	"ReadAt": func(fsys *ftpnat.FS, _ string) ([]byte, error) {
		f, err := fsys.Open("dir/a")
		if err != nil {
			return nil, err
		}
		defer f.Close()
		// To where the file ends by its size, and beyond it.
		buf := make([]byte, len(drainData)+1)
		n, err := f.(io.ReaderAt).ReadAt(buf[:len(drainData)], 0)
		if err == nil || err == io.EOF {
			n, err = f.(io.ReaderAt).ReadAt(buf, 0)
		}
		if err == io.EOF {
			err = nil
		}
		return buf[:n], err
	},
	"WriteTo": func(fsys *ftpnat.FS, _ string) ([]byte, error) {
		f, err := fsys.Open("dir/a")
		if err != nil {
			return nil, err
		}
		defer f.Close()
		var b bytes.Buffer
		_, err = f.(io.WriterTo).WriteTo(&b)
		return b.Bytes(), err
	},
	"Fetch": func(fsys *ftpnat.FS, dir string) ([]byte, error) {
		if err := fsys.Fetch(dir, "dir/a"); err != nil {
			return nil, err
		}
		return readLocal(dir + "/a")
	},
}

// drainWrites are the ways to write.
var drainWrites = map[string]func(fsys *ftpnat.FS) error{
	"WriteFile": func(fsys *ftpnat.FS) error { return fsys.WriteFile("up", drainData, 0o644) },
	"Create":    func(fsys *ftpnat.FS) error { return createIn(fsys, "up", drainData) },
	"Append":    func(fsys *ftpnat.FS) error { return appendTo(fsys, "up", drainData) },
	"Upload":    func(fsys *ftpnat.FS) error { return second(fsys.Upload("up", bytes.NewReader(drainData))) },
}

// TestDrainedFile ends the data of a file after each byte; the server says 226.
func TestDrainedFile(t *testing.T) {
	for _, d := range drainWays() {
		t.Run(d.name, func(t *testing.T) {
			for name, read := range drainReads {
				failed, wrong := 0, 0
				for after := int64(-1); after < d.most(len(drainData)); after += d.step() {
					inBubble(t, d.setup(t, ftptest.Sent, after), func(t *testing.T, w *world) {
						drainPlant(t, w)
						got, err := read(w.openFS(t, ""), t.TempDir())
						switch {
						case err != nil:
							failed++
						case !bytes.Equal(got, drainData):
							if wrong++; wrong < 3 {
								t.Logf("%s, an end after %d bytes: %d of %d, and nil", name, after, len(got), len(drainData))
							}
						}
						if err != nil && after < 0 {
							t.Errorf("%s of what was not broken: %v", name, err)
						}
					})
				}
				if wrong > 0 {
					t.Errorf("%s: %d times nil, and not whole", name, wrong)
				}
				t.Logf("%s: %d errors", name, failed)
			}
		})
	}
}

// TestDrainedRetrieve is TestDrainedFile for the Retrieve of a Conn, which begins one
// transfer and makes no other.
func TestDrainedRetrieve(t *testing.T) {
	for _, d := range drainWays() {
		t.Run(d.name, func(t *testing.T) {
			failed := 0
			for after := int64(-1); after < d.most(len(drainData)); after += d.step() {
				inBubble(t, d.setup(t, ftptest.Sent, after), func(t *testing.T, w *world) {
					drainPlant(t, w)
					c := w.dial()
					defer c.Close()
					r, err := c.Retrieve(w.ctx, "dir/a", 0)
					var got []byte
					if err == nil {
						got, err = io.ReadAll(r)
						r.Close()
					}
					switch {
					case err != nil && after < 0:
						t.Errorf("what was not broken: %v", err)
					case err != nil:
						failed++
					case !bytes.Equal(got, drainData):
						t.Errorf("an end after %d bytes: %d of %d, and nil", after, len(got), len(drainData))
					}
				})
			}
			t.Logf("%d errors", failed)
		})
	}
}

// step is how many bytes apart the ends are.
func (d drainWay) step() int64 {
	if sweepStep > 1 || d.tls {
		return 41
	}
	return 13
}

// most is where the last one is; TLS has more on the wire.
func (d drainWay) most(n int) int64 {
	if d.tls && !d.honest {
		return int64(n) + 1200
	}
	return int64(n) + 1
}

// TestDrainedList ends a listing after each byte. It is never empty; and it is whole
// but where nothing shows that it is not: in the clear, or without alerts, at the end
// of a line.
func TestDrainedList(t *testing.T) {
	for _, d := range drainWays() {
		t.Run(d.name, func(t *testing.T) {
			short, empty := 0, 0
			step := int64(1)
			if sweepStep > 1 || d.tls {
				step = 23
			}
			for after := int64(-1); after < d.most(700); after += step {
				inBubble(t, d.setup(t, ftptest.Sent, after), func(t *testing.T, w *world) {
					drainPlant(t, w)
					list, err := w.openFS(t, "").ReadDir("dir")
					names := namesOf(list)
					switch {
					case err != nil && after < 0:
						t.Errorf("what was not broken: %v", err)
					case err != nil || slices.Equal(names, drainNames):
					case len(names) == 0:
						empty++
					case !slices.Equal(names, drainNames[:len(names)]):
						t.Errorf("an end after %d bytes: %q", after, names)
					default:
						short++
					}
				})
			}
			blind := !d.tls || d.mute || d.honest
			if empty > 0 || !blind && short > 0 || short > 2*len(drainNames) {
				t.Errorf("%d listings were empty, and %d not whole, and nil", empty, short)
			}
		})
	}
}

// TestDrainedWalk ends the first listing of a walk, and of Fetch, before its first
// byte.
func TestDrainedWalk(t *testing.T) {
	for _, d := range drainWays() {
		t.Run(d.name, func(t *testing.T) {
			for after := int64(0); after < 1200; after += 300 {
				inBubble(t, d.setup(t, ftptest.Sent, after/300*after), func(t *testing.T, w *world) {
					drainPlant(t, w)
					fsys := w.openFS(t, "dir")
					var names []string
					err := fs.WalkDir(fsys, ".", func(name string, _ fs.DirEntry, err error) error {
						names = append(names, name)
						return err
					})
					if err == nil && len(names) == 1 {
						t.Error("WalkDir: nothing, and nil")
					}
				})
				if after > 0 {
					continue
				}
				inBubble(t, d.setup(t, ftptest.Sent, 0), func(t *testing.T, w *world) {
					drainPlant(t, w)
					dst := t.TempDir()
					if err := w.openFS(t, "").Fetch(dst, "dir"); err == nil && len(localTree(t, dst)) != len(drainNames) {
						t.Errorf("Fetch: %d files of %d, and nil", len(localTree(t, dst)), len(drainNames))
					}
				})
			}
		})
	}
}

// TestDrainedUpload ends the data of an upload after each byte; the server says 226
// of the part.
func TestDrainedUpload(t *testing.T) {
	for _, d := range drainWays() {
		if d.honest {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			for name, write := range drainWrites {
				for after := int64(0); after < d.most(len(drainData)); after += 2 * d.step() {
					inBubble(t, d.setup(t, ftptest.Received, after), func(t *testing.T, w *world) {
						start := time.Now()
						err := write(w.openFS(t, ""))
						got, rerr := w.Server.Tree.ReadFile("up")
						if err == nil && !bytes.Equal(got, drainData) {
							t.Errorf("%s, an end after %d bytes: the server has %d of %d, %v, and nil", name, after, len(got), len(drainData), rerr)
						}
						if name == "Upload" && rerr == nil && !bytes.Equal(got, drainData) {
							t.Errorf("%s: a part is under the name: %d bytes, %v", name, len(got), err)
						}
						if took := time.Since(start); took > 5*time.Minute {
							t.Errorf("%s: took %v", name, took)
						}
					})
				}
			}
		})
	}
}

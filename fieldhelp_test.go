package ftpnat_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// readLocal reads a local file.
func readLocal(name string) ([]byte, error) { return os.ReadFile(name) }

// createIn writes a file in pieces.
func createIn(fsys *ftpnat.FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	return writeIn(f, err, data)
}

// appendTo appends to a file in pieces.
func appendTo(fsys *ftpnat.FS, name string, data []byte) error {
	f, err := fsys.Append(name)
	return writeIn(f, err, data)
}

func writeIn(f *ftpnat.File, err error, data []byte) error {
	if err != nil {
		return err
	}
	for len(data) > 0 && err == nil {
		n := min(len(data), 4000)
		_, err = f.Write(data[:n])
		data = data[n:]
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// readWays are all ways to read a file of an FS; each returns what it got.
var readWays = map[string]func(fsys *ftpnat.FS, name, local string) ([]byte, error){
	"ReadFile": func(fsys *ftpnat.FS, name, _ string) ([]byte, error) { return fsys.ReadFile(name) },
	"Read": func(fsys *ftpnat.FS, name, _ string) ([]byte, error) {
		f, err := fsys.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	},
	"ReadAt": func(fsys *ftpnat.FS, name, _ string) ([]byte, error) {
		f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	},
	"WriteTo": func(fsys *ftpnat.FS, name, _ string) ([]byte, error) {
		f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		var b bytes.Buffer
		_, err = f.WriteTo(&b)
		return b.Bytes(), err
	},
	"Fetch": func(fsys *ftpnat.FS, name, local string) ([]byte, error) {
		if err := fsys.Fetch(local, name); err != nil {
			return nil, err
		}
		list, err := os.ReadDir(local)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		return os.ReadFile(local + "/" + list[0].Name())
	},
}

// writeWays are all ways to write a file in place of what was there.
var writeWays = map[string]func(fsys *ftpnat.FS, name string, data []byte) error{
	"WriteFile": func(fsys *ftpnat.FS, name string, data []byte) error { return fsys.WriteFile(name, data, 0o644) },
	"Create":    createIn,
	"ReadFrom": func(fsys *ftpnat.FS, name string, data []byte) error {
		f, err := fsys.Create(name)
		if err != nil {
			return err
		}
		_, err = f.ReadFrom(bytes.NewReader(data))
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	},
	"Upload": func(fsys *ftpnat.FS, name string, data []byte) error {
		return second(fsys.Upload(name, bytes.NewReader(data)))
	},
}

// readOn has each way read a file, on a world of its own.
func readOn(t *testing.T, s setup, plan mishapPlan, f func(t *testing.T, w *world, read func(name string) ([]byte, error))) {
	for way, read := range readWays {
		t.Run(way, func(t *testing.T) {
			inProxied(t, s, plan, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				local := t.TempDir() + "/down"
				f(t, w, func(name string) ([]byte, error) { return read(fsys, name, local) })
			})
		})
	}
}

// writeOn has each way write a file, on a world of its own.
func writeOn(t *testing.T, s setup, plan mishapPlan, f func(t *testing.T, w *world, way string, write func(name string, data []byte) error)) {
	for way, write := range writeWays {
		t.Run(way, func(t *testing.T) {
			inProxied(t, s, plan, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				f(t, w, way, func(name string, data []byte) error { return write(fsys, name, data) })
			})
		})
	}
}

// mishapPlan is the Plan of a proxy.
type mishapPlan = func(control bool, nth int) ftpworld.Mishap

// inProxied is inBubble with a proxy in front of the network.
func inProxied(t *testing.T, s setup, plan mishapPlan, f func(t *testing.T, w *world)) {
	t.Helper()
	var proxy *ftpworld.Proxy
	dialer := s.dialer
	s.dialer = func(d *ftpnat.Dialer) {
		if dialer != nil {
			dialer(d)
		}
		proxy = &ftpworld.Proxy{Dial: d.DialContext, Plan: plan}
		d.DialContext = proxy.DialContext
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		w.extra = append(w.extra, proxy.Close)
		f(t, w)
	})
}

// nothingHappens is the plan of a proxy that is not needed.
func nothingHappens(bool, int) ftpworld.Mishap { return ftpworld.Mishap{} }

// played is a setup with a personality, faults and a script.
func played(p ftptest.Personality, more ...any) setup {
	return setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = p
		for _, m := range more {
			switch m := m.(type) {
			case ftptest.Fault:
				srv.Faults = append(srv.Faults, m)
			case ftptest.Step:
				srv.Script = append(srv.Script, m)
			case func(*ftptest.Server):
				m(srv)
			}
		}
	}}
}

// ended is the end of data connections by a box that drains the server.
func ended(conn int, dir ftptest.Direction, after int64) ftptest.Fault {
	return ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: dir, After: after, Kind: ftptest.Drained}
}

// theFour are the servers that the reports are of.
func theFour() []ftptest.Personality {
	return []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib()}
}

// put puts a file into a server.
func (w *world) put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := w.Server.Tree.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

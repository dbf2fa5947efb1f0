package ftpnat_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// manyNames is how many files the streamed directory has.
const manyNames = 2000

// many is a server with a long directory.
func many(p ftptest.Personality, more func(*ftptest.Server)) setup {
	return setup{
		dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
		ftp: func(s *ftptest.Server) {
			s.Personality = p
			for i := range manyNames {
				_ = s.Tree.WriteFile(fmt.Sprintf("many/name%05d", i), nil, 0o644)
			}
			if more != nil {
				more(s)
			}
		},
	}
}

// drain reads a directory to its end in pieces, and calls between after each.
func drain(f fs.ReadDirFile, n int, between func(i int)) (names []string, err error) {
	for i := 0; ; i++ {
		list, err := f.ReadDir(n)
		for _, e := range list {
			names = append(names, e.Name())
		}
		switch {
		case err != nil:
			return names, err
		case len(list) == 0 || len(list) > n:
			return names, fmt.Errorf("ReadDir(%d) returned %d entries", n, len(list))
		}
		if between != nil {
			between(i)
		}
	}
}

// checkMany checks that each name is there once.
func checkMany(t *testing.T, what string, names []string, err error) {
	t.Helper()
	slices.Sort(names)
	if n := len(slices.Compact(slices.Clone(names))); err != io.EOF || len(names) != manyNames || n != manyNames {
		t.Errorf("%s: %d names, %d of them different, %v", what, len(names), n, err)
	}
}

func openMany(t *testing.T, fsys *ftpnat.FS) fs.ReadDirFile {
	t.Helper()
	f, err := fsys.Open("many")
	if err != nil {
		t.Fatal(err)
	}
	return f.(fs.ReadDirFile)
}

// listers are servers with MLSD and without.
func listers() []ftptest.Personality {
	return []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.Ancient(), ftptest.PureFTPd()}
}

// TestReadDirStreams has a listing that comes slowly: its first entries do not wait
// for the last, and Close does not either.
func TestReadDirStreams(t *testing.T) {
	for _, p := range listers() {
		t.Run(p.Name, func(t *testing.T) {
			slow := many(p, func(s *ftptest.Server) { s.Limits.Rate = 10_000 })
			inBubble(t, slow, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				start := time.Now()
				f := openMany(t, fsys)
				if list, err := f.ReadDir(1); len(list) != 1 || err != nil || time.Since(start) > 4*time.Second {
					t.Errorf("%d entries after %v: %v", len(list), time.Since(start), err)
				}
				if err := f.Close(); err != nil || time.Since(start) > 6*time.Second {
					t.Errorf("closed after %v: %v", time.Since(start), err)
				}
				mustRead(t, fsys, "pub/file.bin", string(content))
				f = openMany(t, fsys)
				defer f.Close()
				names, err := drain(f, 100, nil)
				checkMany(t, "slowly", names, err)
			})
		})
	}
}

// TestReadDirLends uses the one connection between two calls of ReadDir.
func TestReadDirLends(t *testing.T) {
	for _, p := range listers() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, many(p, nil), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				f := openMany(t, fsys)
				names, err := drain(f, 10, func(i int) {
					if i < 2 {
						mustRead(t, fsys, "pub/file.bin", string(content))
					}
				})
				checkMany(t, "lent", names, err)
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				f = openMany(t, fsys)
				defer f.Close()
				first, err := f.ReadDir(10)
				if err != nil {
					t.Fatal(err)
				}
				rest, err := f.ReadDir(-1)
				if len(first)+len(rest) != manyNames || err != nil || !slices.IsSortedFunc(rest, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) }) {
					t.Errorf("%d and %d entries, %v", len(first), len(rest), err)
				}
			})
		})
	}
}

// TestReadDirCut has listings that are cut on their way, once or always: each name
// comes once, and there is no end that is none.
func TestReadDirCut(t *testing.T) {
	for _, p := range listers() {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprint(p.Name, always), func(t *testing.T) {
				cut := many(p, func(s *ftptest.Server) {
					for conn := 1; conn < 2 || always && conn < 50; conn++ {
						s.Faults = append(s.Faults, ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: ftptest.Sent, After: 40_011, Kind: ftptest.Cut})
					}
				})
				inBubble(t, cut, func(t *testing.T, w *world) {
					f := openMany(t, w.openFS(t, ""))
					defer f.Close()
					names, err := drain(f, 50, nil)
					if !always {
						checkMany(t, "cut", names, err)
					} else if err == io.EOF || err == nil || !errors.Is(err, ftpnat.ErrShort) && !ftpnat.Retryable(err) {
						t.Errorf("%d names, %v", len(names), err)
					}
				})
			})
		}
	}
}

// TestReadDirRaw has a raw listing that is cut: it is asked for anew, or there is
// an error.
func TestReadDirRaw(t *testing.T) {
	for _, p := range listers() {
		for _, always := range []bool{false, true} {
			cut := many(p, func(s *ftptest.Server) {
				for conn := 1; conn < 2 || always && conn < 50; conn++ {
					s.Faults = append(s.Faults, ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: ftptest.Sent, After: 40_011, Kind: ftptest.Cut})
				}
			})
			inBubble(t, cut, func(t *testing.T, w *world) {
				raw, err := w.openFS(t, "").ReadDirRaw("many")
				if n := strings.Count(string(raw), " name"); (n == manyNames) == always || (err == nil) == always {
					t.Errorf("%s: %d lines, %v", p.Name, n, err)
				}
			})
		}
	}
}

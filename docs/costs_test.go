package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// A cost is a row of the table of costs.md: one call, on a session that is up
// and over a path where everything has worked before.
type cost struct {
	call string
	// do makes the call on the files of the folder dir, which no other call has
	// touched.
	do func(fsys *ftpnat.FS, dir string) error
}

var costs = []cost{
	{"`ReadFile`, small file", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.ReadFile(dir + "/small")
		return err
	}},
	{"`Open`, `Read` to the end, `Close`", func(fsys *ftpnat.FS, dir string) error {
		f, err := fsys.Open(dir + "/small")
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	}},
	{"`Open`, one `ReadAt`, `Close`", func(fsys *ftpnat.FS, dir string) error {
		f, err := fsys.Open(dir + "/large")
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.(io.ReaderAt).ReadAt(make([]byte, 100), 50_000)
		return err
	}},
	{"`ReadDir`", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.ReadDir(dir)
		return err
	}},
	{"`fs.WalkDir`, 21 directories", func(fsys *ftpnat.FS, dir string) error {
		return fs.WalkDir(fsys, dir+"/tree", func(_ string, _ fs.DirEntry, err error) error { return err })
	}},
	{"`Stat` of a file", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.Stat(dir + "/small")
		return err
	}},
	{"`Stat` of a directory", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.Stat(dir + "/tree")
		return err
	}},
	{"`Stat` of a name that is missing", func(fsys *ftpnat.FS, dir string) error {
		if _, err := fsys.Stat(dir + "/none"); err == nil {
			return fmt.Errorf("found what is not there")
		}
		return nil
	}},
	{"`ModTime`", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.ModTime(dir + "/small")
		return err
	}},
	{"`WriteFile`, `Create` to `Close`, small file", func(fsys *ftpnat.FS, dir string) error {
		return fsys.WriteFile(dir+"/new", []byte("new"), 0o666)
	}},
	{"`Append` to `Close`", func(fsys *ftpnat.FS, dir string) error {
		f, err := fsys.Append(dir + "/small")
		if err != nil {
			return err
		}
		_, err = f.Write([]byte("more"))
		return cmpErr(err, f.Close())
	}},
	{"`Upload`, small file", func(fsys *ftpnat.FS, dir string) error {
		_, err := fsys.Upload(dir+"/up", bytes.NewReader([]byte("up")))
		return err
	}},
	{"`Mkdir`", func(fsys *ftpnat.FS, dir string) error { return fsys.Mkdir(dir+"/made", 0o777) }},
	{"`MkdirAll`, three levels that are missing", func(fsys *ftpnat.FS, dir string) error {
		return fsys.MkdirAll(dir+"/x/y/z", 0o777)
	}},
	{"`Rename`", func(fsys *ftpnat.FS, dir string) error { return fsys.Rename(dir+"/small", dir+"/other") }},
	{"`Remove` of a file", func(fsys *ftpnat.FS, dir string) error { return fsys.Remove(dir + "/small") }},
	{"`RemoveAll`, 21 directories with 20 files", func(fsys *ftpnat.FS, dir string) error { return fsys.RemoveAll(dir + "/tree") }},
	{"`CopyFS`, 20 small files, one connection", func(fsys *ftpnat.FS, dir string) error {
		src := fstest.MapFS{}
		for i := range 20 {
			src[fmt.Sprintf("f%d", i)] = &fstest.MapFile{Data: []byte("x")}
		}
		return fsys.CopyFS(dir+"/copy", src)
	}},
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// columns are the servers of the table: with MLST and MLSD, and without.
var columns = []struct {
	title  string
	server func() ftptest.Personality
}{
	{"with MLST (ProFTPD)", ftptest.ProFTPD},
	{"without (vsftpd)", ftptest.VSFTPD},
}

// measured is what a call cost.
type measured struct {
	trips float64
	verbs []string
}

// measure makes the call of a row three times, on a session that is up, and
// returns the cost of the third one.
func (c cost) measure(t *testing.T, p ftptest.Personality) (m measured) {
	synctest.Test(t, func(t *testing.T) {
		w := ftpworld.New(t, ftpworld.Setup{FTP: func(s *ftptest.Server) { s.Personality = p }})
		defer w.Close()
		for _, dir := range []string{"a", "b", "c"} {
			fill(t, w.Server.Tree, dir)
		}
		d := ftpnat.Dialer{DialContext: w.Client.DialContext, Listen: w.Client.Listen, MaxConns: 1}
		fsys, err := d.Open(t.Context(), "ftp://"+w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer fsys.Close()
		for range 3 { // what the path takes is found out
			if _, err := fsys.ReadFile("pub/file.bin"); err != nil {
				t.Fatal(err)
			}
			if err := fsys.WriteFile("pub/new", []byte("x"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range []string{"a", "b"} {
			if err := c.do(fsys, dir); err != nil {
				t.Fatalf("%s: %v", c.call, err)
			}
			time.Sleep(2 * time.Second)
		}
		m = timed(t.Context(), func(ctx context.Context) error { return c.do(fsys.WithContext(ctx), "c") }, t)
	})
	return m
}

// fill makes the files of the folder that a call is about.
func fill(t *testing.T, tree *ftptest.Tree, dir string) {
	t.Helper()
	files := map[string]int{dir + "/small": 100, dir + "/large": 200_000}
	files[dir+"/"+dir+".txt"] = 1 // so that no folder is like another
	for i := range 20 {
		files[fmt.Sprintf("%s/tree/d%d/f", dir, i)] = 10
	}
	for name, size := range files {
		if err := tree.WriteFile(name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func timed(ctx context.Context, do func(context.Context) error, t *testing.T) (m measured) {
	start := time.Now()
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{Command: func(line string) {
		verb, _, _ := strings.Cut(line, " ")
		m.verbs = append(m.verbs, verb)
	}})
	if err := do(ctx); err != nil {
		t.Fatal(err)
	}
	m.trips = float64(time.Since(start)) / float64(ftpworld.RTT)
	return m
}

// String returns the round trips, and the commands in brackets.
func (m measured) String() string {
	var list []string
	for i := 0; i < len(m.verbs); {
		n := 1
		for i+n < len(m.verbs) && m.verbs[i+n] == m.verbs[i] {
			n++
		}
		word := m.verbs[i]
		if n > 1 {
			word = fmt.Sprintf("%s ×%d", word, n)
		}
		list = append(list, word)
		i += n
	}
	if len(list) > 7 {
		list = append(list[:6], "…")
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", m.trips), ".0") + " (" + strings.Join(list, " ") + ")"
}

// first measures a new session: until Open has returned, and until a byte of a
// file is there.
func first(t *testing.T, p ftptest.Personality, known bool) (open, read measured) {
	synctest.Test(t, func(t *testing.T) {
		w := ftpworld.New(t, ftpworld.Setup{FTP: func(s *ftptest.Server) { s.Personality = p }})
		defer w.Close()
		d := ftpnat.Dialer{DialContext: w.Client.DialContext, Listen: w.Client.Listen, MaxConns: 1}
		session := func() {
			var fsys *ftpnat.FS
			start := time.Now()
			open = timed(t.Context(), func(ctx context.Context) (err error) {
				fsys, err = d.Open(ctx, "ftp://"+w.Addr)
				return err
			}, t)
			defer fsys.Close()
			more := timed(t.Context(), func(ctx context.Context) error {
				f, err := fsys.WithContext(ctx).Open("pub/file.bin")
				if err != nil {
					return err
				}
				defer f.Close()
				_, err = f.Read(make([]byte, 1))
				read.trips = float64(time.Since(start)) / float64(ftpworld.RTT)
				return err
			}, t)
			read.verbs = append(open.verbs[:len(open.verbs):len(open.verbs)], more.verbs...)
		}
		session()
		if known {
			session()
		}
	})
	return open, read
}

// TestCosts measures each call and compares it with the table: no call may cost
// more than the page says.
func TestCosts(t *testing.T) {
	var rows [][]measured
	var names []string
	opened, unknown, known := []measured{}, []measured{}, []measured{}
	for _, col := range columns {
		o, r := first(t, col.server(), false)
		_, k := first(t, col.server(), true)
		opened, unknown, known = append(opened, o), append(unknown, r), append(known, k)
	}
	names = append(names, "`ftpnat.Open`: connect and log in", "from `ftpnat.Open` to the first byte of a file", "the same on a path that is known")
	rows = append(rows, opened, unknown, known)
	for _, c := range costs {
		var row []measured
		for _, col := range columns {
			row = append(row, c.measure(t, col.server()))
		}
		names, rows = append(names, c.call), append(rows, row)
	}
	text, err := os.ReadFile("costs.md")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeCosts(t, string(text), names, rows)
		return
	}
	for i, name := range names {
		said := saidOf(t, string(text), name)
		for j, m := range rows[i] {
			switch {
			case m.trips > said[j]+0.5:
				t.Errorf("%s, %s: %v; costs.md says %v (-update writes it)", name, columns[j].title, m, said[j])
			case m.trips < said[j]-0.5:
				t.Logf("%s, %s: %v is less than the %v of costs.md (-update writes it)", name, columns[j].title, m, said[j])
			}
		}
	}
}

const (
	costsBegin = "<!-- costs:begin -->\n"
	costsEnd   = "<!-- costs:end -->\n"
)

func writeCosts(t *testing.T, page string, names []string, rows [][]measured) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "| call | %s | %s |\n|---|---|---|\n", columns[0].title, columns[1].title)
	for i, name := range names {
		fmt.Fprintf(&b, "| %s | %v | %v |\n", name, rows[i][0], rows[i][1])
	}
	before, rest, begun := strings.Cut(page, costsBegin)
	_, after, ended := strings.Cut(rest, costsEnd)
	if !begun || !ended {
		t.Fatal("costs.md has no marks for its table")
	}
	if err := os.WriteFile("costs.md", []byte(before+costsBegin+b.String()+costsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// saidOf returns the round trips in the row of that name.
func saidOf(t *testing.T, page, name string) (said [2]float64) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(name) + ` \| ([\d.]+)[^|]*\| ([\d.]+)`).FindStringSubmatch(page)
	if m == nil {
		t.Errorf("costs.md has no row %q", name)
		return said
	}
	for i := range said {
		said[i], _ = strconv.ParseFloat(m[i+1], 64)
	}
	return said
}

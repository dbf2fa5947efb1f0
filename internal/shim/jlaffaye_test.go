package shim

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// then is when all was changed.
var then = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

// methods are those of jlaffaye/ftp's ServerConn, with their results and what
// the backend is told.
var methods = []struct {
	name string
	call func(c *ftp.ServerConn) (any, error)
	want any
	told []string
}{
	{"List", func(c *ftp.ServerConn) (any, error) { return c.List("/d") },
		[]*ftp.Entry{{Name: "a", Size: 3, Time: then}, {Name: "sub", Type: ftp.EntryTypeFolder, Time: then}}, []string{"MLSD /d @0"}},
	{"List here", func(c *ftp.ServerConn) (any, error) { return c.List("") },
		[]*ftp.Entry{{Name: "d", Type: ftp.EntryTypeFolder, Time: then}, {Name: "f", Size: 3, Time: then}}, []string{"MLSD @0"}},
	{"NameList", func(c *ftp.ServerConn) (any, error) { return c.NameList("/d") }, []string{"a", "sub"}, []string{"NLST /d @0"}},
	{"NameList here", func(c *ftp.ServerConn) (any, error) { return c.NameList("") }, []string{"d", "f"}, []string{"NLST @0"}},
	{"Retr", func(c *ftp.ServerConn) (any, error) { return slurp(c.Retr("/f")) }, "abc", []string{"RETR /f @0"}},
	{"RetrFrom", func(c *ftp.ServerConn) (any, error) { return slurp(c.RetrFrom("/f", 2)) }, "c", []string{"RETR /f @2"}},
	{"RetrFrom the end", func(c *ftp.ServerConn) (any, error) { return slurp(c.RetrFrom("/f", 3)) }, "", []string{"RETR /f @3"}},
	{"Stor", func(c *ftp.ServerConn) (any, error) { return nil, c.Stor("/n", strings.NewReader("new")) }, nil, []string{"STOR /n @0"}},
	{"Stor nothing", func(c *ftp.ServerConn) (any, error) { return nil, c.Stor("/n", strings.NewReader("")) }, nil, []string{"STOR /n @0"}},
	{"StorFrom", func(c *ftp.ServerConn) (any, error) { return nil, c.StorFrom("/f", strings.NewReader("XY"), 1) }, nil, []string{"STOR /f @1"}},
	{"Append", func(c *ftp.ServerConn) (any, error) { return nil, c.Append("/f", strings.NewReader("def")) }, nil, []string{"APPE /f @0"}},
	{"Append nothing", func(c *ftp.ServerConn) (any, error) { return nil, c.Append("/f", strings.NewReader("")) }, nil, []string{"APPE /f @0"}},
	{"Rename", func(c *ftp.ServerConn) (any, error) { return nil, c.Rename("/f", "/g") }, nil, []string{"RNFR /f", "RNTO /g"}},
	{"Delete", func(c *ftp.ServerConn) (any, error) { return nil, c.Delete("/f") }, nil, []string{"DELE /f"}},
	{"MakeDir", func(c *ftp.ServerConn) (any, error) { return nil, c.MakeDir("/m") }, nil, []string{"MKD /m"}},
	{"RemoveDir", func(c *ftp.ServerConn) (any, error) { return nil, c.RemoveDir("/d") }, nil, []string{"RMD /d"}},
	{"RemoveDirRecur", func(c *ftp.ServerConn) (any, error) { return nil, c.RemoveDirRecur("/d") }, nil, []string{
		"CWD /d", "PWD", "MLSD /d @0", "DELE a", "CWD /d/sub", "PWD", "MLSD /d/sub @0", "DELE b", "CDUP", "RMD /d/sub", "CDUP", "RMD /d"}},
	{"ChangeDir", func(c *ftp.ServerConn) (any, error) { return nil, c.ChangeDir("/d") }, nil, []string{"CWD /d"}},
	{"ChangeDirToParent", func(c *ftp.ServerConn) (any, error) { return nil, c.ChangeDirToParent() }, nil, []string{"CDUP"}},
	{"CurrentDir", func(c *ftp.ServerConn) (any, error) { return c.CurrentDir() }, "", []string{"PWD"}},
	{"FileSize", func(c *ftp.ServerConn) (any, error) { return c.FileSize("/f") }, int64(3), []string{"SIZE /f"}},
	{"GetTime", func(c *ftp.ServerConn) (any, error) { return c.GetTime("/f") }, then, []string{"MDTM /f"}},
	{"SetTime", func(c *ftp.ServerConn) (any, error) { return nil, c.SetTime("/f", then) }, nil, []string{"MFMT 20240102030405 /f"}},
	{"GetEntry", func(c *ftp.ServerConn) (any, error) { return c.GetEntry("/f") }, &ftp.Entry{Name: "/f", Size: 3, Time: then}, []string{"MLST /f"}},
	{"Walk", func(c *ftp.ServerConn) (any, error) { return walk(c.Walk("/")) }, []string{"/f", "/d", "/d/sub", "/d/sub/b", "/d/a"},
		[]string{"MLSD / @0", "MLSD /d @0", "MLSD /d/sub @0"}},
	{"Type", func(c *ftp.ServerConn) (any, error) { return nil, c.Type(ftp.TransferTypeASCII) }, nil, []string{"TYPE A"}},
	{"NoOp", func(c *ftp.ServerConn) (any, error) { return nil, c.NoOp() }, nil, []string{"NOOP"}},
	{"Logout", func(c *ftp.ServerConn) (any, error) { return nil, c.Logout() }, nil, []string{"REIN"}},
	{"Quit", func(c *ftp.ServerConn) (any, error) { return nil, c.Quit() }, nil, nil},
}

// TestEveryMethod calls each method of jlaffaye/ftp's ServerConn once and
// looks at its result and at what the backend was told.
func TestEveryMethod(t *testing.T) {
	options := map[string][]ftp.DialOption{
		"EPSV":         nil,
		"PASV":         {ftp.DialWithDisabledEPSV(true)},
		"PASV trusted": {ftp.DialWithDisabledEPSV(true), ftp.DialWithTrustPasvIP(true)},
		"ShutTimeout":  {ftp.DialWithShutTimeout(time.Hour)},
		"DebugOutput":  {ftp.DialWithDebugOutput(io.Discard)},
	}
	for kind, opts := range options {
		for _, tt := range methods {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				f := newFake("/f", "abc", "/d/", "", "/d/a", "abc", "/d/sub/", "", "/d/sub/b", "abc")
				c, _ := dial(t, f, opts...)
				check(t, f, "USER me", "PASS hush", "FEAT", "TYPE I", "OPTS UTF8 ON")
				got, err := tt.call(c)
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("got %v, %v; want %v", got, err, tt.want)
				}
				check(t, f, tt.told...)
			})
		}
	}
}

func slurp(r *ftp.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func walk(w *ftp.Walker) (paths []string, err error) {
	for w.Next() {
		paths = append(paths, w.Path())
	}
	return paths, w.Err()
}

func TestStored(t *testing.T) {
	f := newFake("/f", "abc")
	c, _ := dial(t, f)
	must(t, c.Stor("/n", strings.NewReader("new")))
	must(t, c.Stor("/empty", strings.NewReader("")))
	must(t, c.StorFrom("/n", strings.NewReader("EW"), 1))
	must(t, c.Append("/f", strings.NewReader("def")))
	want := map[string]string{"/f": "abcdef", "/n": "nEW", "/empty": ""}
	if !reflect.DeepEqual(f.files, want) {
		t.Errorf("files %q, want %q", f.files, want)
	}
}

// TestOffsetOnce: a REST is for one command.
func TestOffsetOnce(t *testing.T) {
	f := newFake("/f", "abc")
	c, _ := dial(t, f)
	f.told()
	for range 2 {
		if _, err := slurp(c.RetrFrom("/f", 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := slurp(c.Retr("/f")); err != nil {
			t.Fatal(err)
		}
	}
	check(t, f, "RETR /f @1", "RETR /f @0", "RETR /f @1", "RETR /f @0")
}

func TestPRET(t *testing.T) {
	f := newFake("/f", "abc")
	f.feats = append(f.feats, "PRET")
	c, _ := dial(t, f)
	f.told()
	if got, err := slurp(c.Retr("/f")); got != "abc" || err != nil {
		t.Errorf("Retr = %q, %v", got, err)
	}
	check(t, f, "RETR /f @0")
}

func TestOldServer(t *testing.T) {
	f := newFake("/f", "abc")
	f.feats = nil
	c, _ := dial(t, f, ftp.DialWithForceListHidden(true))
	f.told()
	entries, err := c.List("/")
	if err != nil || len(entries) != 1 || entries[0].Name != "f" {
		t.Errorf("List = %v, %v", entries, err)
	}
	check(t, f, "LIST -a / @0")
}

func TestDebugOutput(t *testing.T) {
	var out bytes.Buffer
	f := newFake("/f", "abc")
	c, _ := dial(t, f, ftp.DialWithDebugOutput(&out))
	if _, err := c.NameList("/"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"220-Welcome", "EPSV", "150 here it comes", "226 done"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the output:\n%s", want, out.String())
		}
	}
}

// TestEarlyClose: who has read enough gets no error, whatever the server says
// to that, and the connection goes on.
func TestEarlyClose(t *testing.T) {
	tests := []struct {
		name    string
		verdict proto.Reply
		lost    error
	}{
		{"226", proto.Reply{}, nil},
		{"426", say(426, "cut"), nil},
		{"451", say(451, "cut", "short"), nil},
		{"no verdict", proto.Reply{}, errors.New("lost")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake("/f", "abc")
			f.verdict, f.lost = tt.verdict, tt.lost
			c, _ := dial(t, f)
			r, err := c.Retr("/f")
			must(t, err)
			if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			if _, err := r.Read(make([]byte, 1)); err == nil {
				t.Error("Read after Close")
			}
			must(t, c.NoOp())
		})
	}
}

func TestVerdicts(t *testing.T) {
	lost := errors.New("the connection was lost")
	tests := []struct {
		name    string
		verdict proto.Reply
		lost    error
		want    string // the error of Close
	}{
		{"226", say(226, "done"), nil, ""},
		{"226 in several lines", say(226, "done", "226 it is", "really"), nil, ""},
		{"250", say(250, "done"), nil, ""},
		{"no text", proto.Reply{Code: 226}, nil, ""},
		{"426", say(426, "cut"), nil, "426 cut"},
		{"552", say(552, "disk full"), nil, "552 disk full"},
		{"lost", proto.Reply{}, lost, "the connection was lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake("/f", "abc")
			f.verdict, f.lost = tt.verdict, tt.lost
			c, _ := dial(t, f)
			if _, err := slurp(c.Retr("/f")); text(err) != tt.want {
				t.Errorf("Retr: %v, want %q", err, tt.want)
			}
			if err := c.Stor("/n", strings.NewReader("x")); text(err) != tt.want {
				t.Errorf("Stor: %v, want %q", err, tt.want)
			}
			if err := c.Stor("/n", strings.NewReader("")); text(err) != tt.want {
				t.Errorf("Stor of nothing: %v, want %q", err, tt.want)
			}
			if _, err := c.List("/"); text(err) != tt.want {
				t.Errorf("List: %v, want %q", err, tt.want)
			}
			must(t, c.NoOp())
		})
	}
}

// TestErrorAtTheEnd: what stands in the place of io.EOF reaches the reader,
// and the verdict is told by Close too.
func TestErrorAtTheEnd(t *testing.T) {
	f := newFake("/f", "abc")
	f.atEOF, f.verdict = errors.New("426 cut"), say(426, "cut")
	c, _ := dial(t, f)
	r, err := c.Retr("/f")
	must(t, err)
	b, err := io.ReadAll(r)
	if string(b) != "abc" || err != f.atEOF {
		t.Errorf("ReadAll = %q, %v", b, err)
	}
	if err := r.Close(); text(err) != "426 cut" {
		t.Errorf("Close = %v", err)
	}
	if names, err := c.NameList("/"); err == nil {
		t.Errorf("NameList = %q", names)
	}
	must(t, c.NoOp())
}

func TestRefused(t *testing.T) {
	f := newFake("/f", "abc")
	c, _ := dial(t, f)
	for range 2 {
		if _, err := c.Retr("/none"); text(err) != "550 /none: no such file" {
			t.Errorf("Retr = %v", err)
		}
		if _, err := c.RetrFrom("/none", 5); text(err) != "550 /none: no such file" {
			t.Errorf("RetrFrom = %v", err)
		}
	}
	f.replies["STOR"] = say(553, "not", "allowed")
	if err := c.Stor("/n", strings.NewReader("x")); text(err) != "553 not\nallowed" {
		t.Errorf("Stor = %q", text(err))
	}
	f.fails["MLSD"] = errors.New("no data connection can be had")
	if _, err := c.List("/"); err != f.fails["MLSD"] {
		t.Errorf("List = %v", err)
	}
	f.fails["NOOP"] = io.ErrUnexpectedEOF
	if err := c.NoOp(); err != io.ErrUnexpectedEOF {
		t.Errorf("NoOp = %v", err)
	}
	if got, err := slurp(c.Retr("/f")); got != "abc" || err != nil {
		t.Errorf("Retr = %q, %v", got, err)
	}
}

// TestPreliminary: jlaffaye/ftp takes 125 and 150 for the beginning and no
// other reply.
func TestPreliminary(t *testing.T) {
	for _, r := range []proto.Reply{say(150, "here"), say(125, "here"), say(150, "one", "two"), say(151, "x"), say(110, "MARK"), say(226, "done"), {}} {
		f := newFake("/f", "abc")
		f.prelim = r
		c, _ := dial(t, f)
		if got, err := slurp(c.Retr("/f")); got != "abc" || err != nil {
			t.Errorf("after %v: Retr = %q, %v", r, got, err)
		}
	}
}

func TestDuringTransfer(t *testing.T) {
	f := newFake("/f", "abc")
	c, _ := dial(t, f)
	r, err := c.Retr("/f")
	must(t, err)
	f.told()
	if err := c.NoOp(); text(err) != "503 A transfer is under way." {
		t.Errorf("NoOp = %v", err)
	}
	if _, err := c.Retr("/f"); text(err) != "503 A transfer is under way." {
		t.Errorf("Retr = %v", err)
	}
	check(t, f)
	if got, err := slurp(r, nil); got != "abc" || err != nil {
		t.Errorf("the transfer has suffered: %q, %v", got, err)
	}
	must(t, c.NoOp())
}

func TestTLSOptions(t *testing.T) {
	f := newFake()
	g := &gate{t: t, back: []*fake{f}, life: t.Context()}
	_, err := ftp.Dial("ftp.example.com:21", ftp.DialWithDialFunc(g.dial), ftp.DialWithExplicitTLS(nil))
	if !strings.HasPrefix(text(err), "534 ") {
		t.Errorf("Dial = %v", err)
	}
	check(t, f)
}

// TestTwoConnections: one function dials for both, and each gets its own data
// connection, whichever dials first, and whatever the other one is doing.
func TestTwoConnections(t *testing.T) {
	a, b := newFake("/f", "of a"), newFake("/f", "of b")
	b.hang["NOOP"] = true
	g := &gate{t: t, back: []*fake{a, b}, life: t.Context()}
	ca, cb := g.login(), g.login()
	ra, err := ca.Retr("/f")
	must(t, err)
	rb, err := cb.Retr("/f")
	must(t, err)
	if got, err := slurp(ra, nil); got != "of a" || err != nil {
		t.Errorf("a: %q, %v", got, err)
	}
	if got, err := slurp(rb, nil); got != "of b" || err != nil {
		t.Errorf("b: %q, %v", got, err)
	}
	hung := make(chan error)
	go func() { hung <- cb.NoOp() }()
	if got, err := slurp(ca.Retr("/f")); got != "of a" || err != nil {
		t.Errorf("a, with b stuck: %q, %v", got, err)
	}
	must(t, g.conns[1].Close())
	if err := <-hung; err == nil {
		t.Error("NoOp on a closed connection")
	}
	must(t, ca.Quit())
}

// TestShutTimeout: it limits the wait for the verdict.
func TestShutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("/f", "abc")
		f.silent = true
		g := &gate{t: t, back: []*fake{f}, life: t.Context()}
		c := g.login(ftp.DialWithShutTimeout(5 * time.Second))
		start := time.Now()
		_, err := slurp(c.Retr("/f"))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("Retr: %v after %v", err, time.Since(start))
		}
		f.told()
		// The deadline stays where jlaffaye/ftp has left it, as with any
		// other connection, and nothing is begun after it.
		f.replies["DELE"] = say(250, "ok")
		if err := c.Delete("/f"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Delete = %v", err)
		}
		must(t, c.Quit())
	})
}

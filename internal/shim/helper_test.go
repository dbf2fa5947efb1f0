package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// fake is a backend with a file tree, and a record of what it was told.
type fake struct {
	mu      sync.Mutex
	files   map[string]string // by absolute name; directories end in a slash
	cwd     string
	from    string
	log     []string
	closed  int
	feats   []string
	replies map[string]proto.Reply // in place of the true ones, by line or by verb
	fails   map[string]error       // in place of a reply
	hang    map[string]bool        // until the context ends
	prelim  proto.Reply
	verdict proto.Reply // of every transfer; zero means 226
	lost    error       // in place of the verdict
	atEOF   error       // in place of io.EOF
	stall   bool        // data connections stand still
	silent  bool        // no verdict comes
	data    []*fakeData
}

func newFake(files ...string) *fake {
	f := &fake{cwd: "/", files: map[string]string{}, feats: []string{"EPSV", "MDTM", "MFMT", "MLST type*;size*;modify*;", "REST STREAM", "SIZE", "UTF8"},
		replies: map[string]proto.Reply{}, fails: map[string]error{}, hang: map[string]bool{}, prelim: proto.Reply{Code: 150, Lines: []string{"here it comes"}}}
	for i := 0; i+1 < len(files); i += 2 {
		f.files[files[i]] = files[i+1]
	}
	return f
}

func say(code int, lines ...string) proto.Reply { return proto.Reply{Code: code, Lines: lines} }

func (f *fake) Greeting() proto.Reply { return say(220, "Welcome", "220 is not the end", "ready") }

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// told returns what the backend was told, and forgets it.
func (f *fake) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

func (f *fake) Command(ctx context.Context, line string) (proto.Reply, error) {
	f.mu.Lock()
	f.log = append(f.log, line)
	verb, arg, _ := strings.Cut(line, " ")
	hang, err := f.hang[verb], f.fails[verb]
	r, set := f.replies[line]
	if !set {
		r, set = f.replies[verb]
	}
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return proto.Reply{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return proto.Reply{}, err
	}
	if set || err != nil {
		return r, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command(verb, arg), nil
}

func (f *fake) abs(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return f.cwd + name
}

func (f *fake) command(verb, arg string) proto.Reply {
	name := f.abs(arg)
	body, ok := f.files[name]
	switch verb {
	case "USER":
		return say(331, "password")
	case "PASS":
		return say(230, "welcome")
	case "FEAT":
		lines := []string{"Features:"}
		for _, l := range f.feats {
			lines = append(lines, " "+l)
		}
		return say(211, append(lines, "End")...)
	case "TYPE", "OPTS", "NOOP":
		return say(200, "ok")
	case "REIN":
		return say(220, "again")
	case "PWD":
		return say(257, strconv.Quote(strings.TrimSuffix(f.cwd, "/"))+" is current")
	case "CWD":
		f.cwd = strings.TrimSuffix(name, "/") + "/"
		return say(250, "ok")
	case "CDUP":
		f.cwd = f.cwd[:strings.LastIndex(strings.TrimSuffix(f.cwd, "/"), "/")+1]
		return say(250, "ok")
	case "MKD":
		f.files[name+"/"] = ""
		return say(257, strconv.Quote(name))
	case "RMD":
		delete(f.files, name+"/")
		return say(250, "ok")
	case "RNFR":
		f.from = name
		return say(350, "and")
	case "RNTO":
		f.files[name] = f.files[f.from]
		delete(f.files, f.from)
		return say(250, "ok")
	case "MFMT":
		return say(213, "Modify="+arg)
	}
	if !ok {
		return say(550, arg+": no such file")
	}
	switch verb {
	case "DELE":
		delete(f.files, name)
		return say(250, "ok")
	case "SIZE":
		return say(213, strconv.Itoa(len(body)))
	case "MDTM":
		return say(213, "20240102030405")
	case "MLST":
		return say(250, "Listing", fmt.Sprintf(" type=file;size=%d;modify=20240102030405; %s", len(body), name), "End")
	}
	return say(502, "not implemented")
}

// list returns the names in a directory, those of directories with a slash.
func (f *fake) list(dir string) []string {
	dir = strings.TrimSuffix(f.abs(dir), "/") + "/"
	var names []string
	for name := range f.files {
		rest, ok := strings.CutPrefix(name, dir)
		if ok && rest != "" && !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
			names = append(names, rest)
		}
	}
	sort.Strings(names)
	return names
}

func (f *fake) Transfer(ctx context.Context, line string, offset int64) (Data, proto.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("%s @%d", line, offset))
	if err := ctx.Err(); err != nil {
		return nil, proto.Reply{}, err
	}
	verb, arg, _ := strings.Cut(line, " ")
	if err := f.fails[verb]; err != nil {
		return nil, proto.Reply{}, err
	}
	if r, ok := f.replies[verb]; ok {
		return nil, r, nil
	}
	d := &fakeData{f: f, name: f.abs(arg), upload: upload(line)}
	var text strings.Builder
	switch verb {
	case "RETR":
		body, ok := f.files[d.name]
		if !ok {
			return nil, say(550, arg+": no such file"), nil
		}
		text.WriteString(body[offset:])
	case "NLST":
		for _, n := range f.list(arg) {
			text.WriteString(strings.TrimSuffix(n, "/") + "\r\n")
		}
	case "MLSD", "LIST":
		for _, n := range f.list(strings.TrimPrefix(arg, "-a ")) {
			text.WriteString(listLine(verb, n))
		}
	case "STOR":
		d.w.WriteString(f.files[d.name][:offset])
	case "APPE":
		d.w.WriteString(f.files[d.name])
	}
	d.r = strings.NewReader(text.String())
	d.pipe, d.far = net.Pipe()
	f.data = append(f.data, d)
	return d, f.prelim, nil
}

func listLine(verb, name string) string {
	kind, mode := "file;size=3", "-rw-r--r--"
	if strings.HasSuffix(name, "/") {
		kind, mode, name = "dir", "drwxr-xr-x", strings.TrimSuffix(name, "/")
	}
	if verb == "LIST" {
		return mode + " 1 me me 3 Jan  2 2024 " + name + "\r\n"
	}
	return "type=" + kind + ";modify=20240102030405; " + name + "\r\n"
}

// fakeData is a data connection of a fake.
type fakeData struct {
	f         *fake
	name      string
	upload    bool
	r         *strings.Reader
	w         bytes.Buffer
	pipe, far net.Conn // stands still
	mu        sync.Mutex
	busy      int
	ends      int
	overlap   bool // End came in the middle of a call
	deadline  time.Time
}

func (d *fakeData) enter(by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy += by
}

func (d *fakeData) Read(p []byte) (int, error) {
	d.enter(1)
	defer d.enter(-1)
	if d.f.stall {
		return d.pipe.Read(p)
	}
	n, err := d.r.Read(p)
	if err == io.EOF && d.f.atEOF != nil {
		err = d.f.atEOF
	}
	return n, err
}

func (d *fakeData) Write(p []byte) (int, error) {
	d.enter(1)
	defer d.enter(-1)
	if d.f.stall {
		return d.pipe.Write(p)
	}
	return d.w.Write(p)
}

func (d *fakeData) SetDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline = t
	return d.pipe.SetDeadline(t)
}

func (d *fakeData) End() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends++
	d.overlap = d.overlap || d.busy > 0
	d.pipe.Close()
	d.far.Close()
}

func (d *fakeData) Verdict(ctx context.Context) (proto.Reply, error) {
	if d.f.silent {
		<-ctx.Done()
		return proto.Reply{}, ctx.Err()
	}
	if d.f.lost != nil {
		return proto.Reply{}, d.f.lost
	}
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if d.upload {
		d.f.files[d.name] = d.w.String()
	}
	if d.f.verdict.Code != 0 {
		return d.f.verdict, nil
	}
	return say(226, "done"), nil
}

// gate dials as the root package does: control connections, and what they
// made up.
type gate struct {
	t     testing.TB
	back  []*fake // of the control connections, in order
	conns []*Conn
	life  context.Context
}

var errNobody = errors.New("no data connection waits")

func (g *gate) dial(_, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(port); err == nil && MadeUp(n) {
		for _, c := range g.conns {
			if d := c.Waiting(n); d != nil {
				return d, nil
			}
		}
		return nil, errNobody
	}
	local := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 2), Port: 40000}
	remote := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 10), Port: 21}
	c := New(g.life, g.back[len(g.conns)], local, remote)
	g.conns = append(g.conns, c)
	return c, nil
}

// dial returns a jlaffaye/ftp connection over a fake, logged in.
func dial(t testing.TB, f *fake, options ...ftp.DialOption) (*ftp.ServerConn, *gate) {
	t.Helper()
	g := &gate{t: t, back: []*fake{f}, life: context.Background()}
	c := g.login(options...)
	t.Cleanup(func() {
		c.Quit()
		if f.closed != 1 {
			t.Errorf("the backend was closed %d times", f.closed)
		}
		for _, d := range f.data {
			if d.ends != 1 || d.overlap {
				t.Errorf("%s: ended %d times, in the middle of a call: %v", d.name, d.ends, d.overlap)
			}
		}
	})
	return c, g
}

func (g *gate) login(options ...ftp.DialOption) *ftp.ServerConn {
	g.t.Helper()
	c, err := ftp.Dial("ftp.example.com:21", append(options, ftp.DialWithDialFunc(g.dial))...)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := c.Login("me", "hush"); err != nil {
		g.t.Fatal(err)
	}
	return c
}

// check compares what a backend was told.
func check(t testing.TB, f *fake, want ...string) {
	t.Helper()
	if got := f.told(); !slices.Equal(got, want) {
		t.Errorf("the backend was told %q, want %q", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text spells an error out; replies in one form, whatever the version of Go.
func text(err error) string {
	var reply *textproto.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &reply):
		return fmt.Sprintf("%d %s", reply.Code, reply.Msg)
	}
	return err.Error()
}

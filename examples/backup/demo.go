package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// What the embedded server is asked for.
const (
	demoHost = "ftp.example.net"
	demoURL  = "ftp://demo:2006@" + demoHost + "/pub"
	// demoRate is what the line carries in a second.
	demoRate = 2 << 20
	// demoCut is after how many bytes a bad line breaks.
	demoCut = 1 << 20
)

// written is when the files of the demonstration were last changed.
var written = time.Date(1999, time.November, 5, 2, 0, 0, 0, time.UTC)

// demoFile is a file of the embedded server.
type demoFile struct {
	name string
	data []byte
}

// demoFiles is what the embedded server has at first.
func demoFiles() []demoFile {
	return []demoFile{
		{"pub/README", []byte("Daily figures, one file a day.\n")},
		{"pub/.profile", []byte("umask 022\n")},
		{"pub/1999/11-03.csv", bytes.Repeat([]byte("1999-11-03,102,4310.20\n"), 40)},
		{"pub/1999/11-04.csv", bytes.Repeat([]byte("1999-11-04,57,2208.75\n"), 40)},
		{"pub/odd names/-rf *", []byte("a name\n")},
		{"pub/odd names/what? [1]", []byte("another\n")},
		{"pub/odd names/caf\xe9", []byte("a name in Latin-1\n")},
	}
}

// bulk returns bytes that are not all the same.
func bulk(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i>>3 ^ i>>11)
	}
	return data
}

// world is a network with a server and the client's host.
type world struct {
	network *memnet.Network
	server  *ftptest.Server
	dialer  *ftpnat.Dialer
}

// newWorld starts a server, which change may have changed before.
func newWorld(ctx context.Context, tree *ftptest.Tree, change func(*world)) (*world, error) {
	n := memnet.New(memnet.Config{Latency: 5 * time.Millisecond})
	machine := n.Host(demoHost, netip.MustParseAddr("198.51.100.10"))
	client := n.Host("client", netip.MustParseAddr("192.0.2.7"))
	srv := &ftptest.Server{Tree: tree, Users: map[string]string{"demo": "2006"}, Personality: ftptest.VSFTPD(),
		Listen: machine.Listen, Dial: machine.DialFrom, Rate: demoRate}
	w := &world{n, srv, &ftpnat.Dialer{DialContext: client.DialContext, Listen: client.Listen}}
	if change != nil {
		change(w)
	}
	ln, err := machine.Listen(ctx, "tcp", ":21")
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("start the embedded server: %w", err)
	}
	srv.Start(ln)
	return w, nil
}

func (w *world) close() {
	w.server.Close()
	w.network.Close()
}

// put writes files on the server.
func put(t *ftptest.Tree, at time.Time, files ...demoFile) error {
	for _, f := range files {
		if err := errors.Join(t.WriteFile(f.name, f.data, 0o644), t.Chtimes(f.name, at)); err != nil {
			return err
		}
	}
	return nil
}

// act is a part of the demonstration.
type act struct {
	title string
	args  []string                          // of the program
	cut   int64                             // after how many bytes each data connection breaks; zero for never
	stop  int64                             // where to interrupt the program, in bytes of a file; zero for nowhere
	setup func(*ftptest.Tree, string) error // before it; the folder is the one of the backup
	fails bool
}

var acts = []act{
	{title: "The first run reads everything.", args: []string{demoURL, "site"},
		setup: func(t *ftptest.Tree, _ string) error {
			return errors.Join(put(t, written, demoFiles()...), t.Symlink("1999/11-04.csv", "pub/latest.csv"))
		}},
	{title: "The second run reads what is new or changed. What the server lost is kept.", args: []string{demoURL, "site"},
		setup: func(t *ftptest.Tree, _ string) error {
			return errors.Join(t.Remove("pub/1999/11-03.csv"), put(t, written.Add(24*time.Hour),
				demoFile{"pub/1999/11-05.csv", bytes.Repeat([]byte("1999-11-05,131,5873.40\n"), 40)},
				demoFile{"pub/README", []byte("Daily figures, one file a day, at 02:00 UTC.\n")}))
		}},
	{title: "A bad line: every data connection breaks after 1 MiB. The FS goes on where it was.", args: []string{demoURL, "site"}, cut: demoCut,
		setup: func(t *ftptest.Tree, _ string) error {
			return put(t, written.Add(48*time.Hour), demoFile{"pub/video.bin", bulk(5 << 19)})
		}},
	{title: "Somebody presses Ctrl-C in the middle of a file...", args: []string{demoURL, "site"}, stop: 1 << 20, fails: true,
		setup: func(t *ftptest.Tree, _ string) error {
			return put(t, written.Add(72*time.Hour), demoFile{"pub/disk.img", bulk(3 << 20)})
		}},
	{title: "... and the same command goes on from there.", args: []string{demoURL, "site"}},
	{title: "A bit flips on the disk. -verify finds it...", args: []string{"-verify", "site"}, fails: true,
		setup: func(_ *ftptest.Tree, dir string) error { return flip(filepath.Join(dir, "site", "video.bin")) }},
	{title: "... and with the URL it reads the file again.", args: []string{"-verify", demoURL, "site"}},
	{title: "The same into a zip file.", args: []string{demoURL, "site.zip"}},
}

// flip changes one bit of a file, and not its time.
func flip(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return errors.Join(os.WriteFile(file, data, 0o644), os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// demo plays the acts.
func demo(ctx context.Context, out *printer) error {
	dir, err := os.MkdirTemp("", "backup-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out.verbose = true
	out.line("A server in this process, and a temporary folder. Nothing leaves this machine.\n")
	tree := ftptest.NewTree()
	for i, a := range acts {
		if i > 0 {
			out.line("")
		}
		if err := a.play(ctx, tree, dir, out); err != nil {
			return err
		}
	}
	return nil
}

// change changes the server.
func (a act) change(w *world) {
	if a.cut > 0 {
		w.server.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: a.cut, Kind: ftptest.Cut}}
	}
}

// play plays an act. The error says that it did not end as it should.
func (a act) play(ctx context.Context, tree *ftptest.Tree, dir string, out *printer) error {
	if a.setup != nil {
		if err := a.setup(tree, dir); err != nil {
			return err
		}
	}
	w, err := newWorld(ctx, tree, a.change)
	if err != nil {
		return err
	}
	defer w.close()
	opts, err := parse(a.args, out.w)
	if err != nil {
		return err
	}
	out.line("%s", a.title)
	out.line("$ backup%s", commandLine(a.args))
	opts.jobs = 1 // so that the files come in one order
	opts.target = filepath.Join(dir, opts.target)
	err = do(a.interrupted(ctx), opts, w.dialer, out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a.stop > 0 && errors.Is(err, context.Canceled):
		out.line("  interrupted")
		return nil
	case a.fails && errors.Is(err, errIncomplete):
		return nil
	case a.fails:
		return fmt.Errorf("%s ended with %w, which is not what it shows", a.title, err)
	}
	return err
}

func commandLine(args []string) (line string) {
	for _, a := range args {
		if a == demoURL {
			a = sourceOf(a)
		}
		line += " " + a
	}
	return line
}

// interrupted returns a context that ends when the act wants it to.
func (a act) interrupted(ctx context.Context) context.Context {
	if a.stop == 0 {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, cancel)
	return ftpnat.WithTrace(ctx, &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) {
		if e.Bytes >= a.stop {
			cancel()
		}
	}})
}

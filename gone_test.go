package ftpnat_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// A front is what stands where a server was. It talks to who comes, or is nil and
// leaves it to the network.
type front func(lines *bufio.Scanner, say func(string))

// greets is a front that has only this to say.
func greets(reply string) front { return func(_ *bufio.Scanner, say func(string)) { say(reply) } }

// admits is a front that answers the password so.
func admits(reply string) front {
	return func(lines *bufio.Scanner, say func(string)) {
		for say("220 Hello."); lines.Scan(); {
			switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
			case "USER":
				say("331 Go on.")
			case "PASS":
				say(reply)
			default:
				say("530 Log in.")
			}
		}
	}
}

// dial connects with the front.
func (f front) dial() net.Conn {
	near, far := net.Pipe()
	out := make(chan string, 100)
	go func() { // what comes is read while something is said
		defer close(out)
		f(bufio.NewScanner(far), func(reply string) { out <- reply + "\r\n" })
	}()
	go func() {
		defer far.Close()
		for reply := range out {
			io.WriteString(far, reply)
		}
	}()
	return near
}

// A substitute is what is in a server's place.
type substitute struct {
	front front
	err   error // of dialling; silence if there is no front either
	final bool  // its word counts, and nobody comes back to hear another one
	mute  bool  // it waits for ever, and so did the server
}

// substitutes are those of the tests below.
func substitutes() map[string]substitute {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	mute := func(lines *bufio.Scanner, _ func(string)) {
		for lines.Scan() {
		}
	}
	return map[string]substitute{
		"nobody": {err: refused}, "silence": {}, "mute": {front: mute, mute: true},
		"closes": {front: greets("220 Hello.")}, "too many": {front: greets("421 Too many.")}, "not now": {front: greets("450 Later.")},
		"550": {front: greets("550 No such file."), final: true}, "530": {front: greets("530 Permission denied."), final: true}, "500": {front: greets("500 Unknown command."), final: true},
		"no login, 530": {front: admits("530 Permission denied."), final: true}, "no login, 550": {front: admits("550 No such file or directory."), final: true},
		"no login, 431": {front: admits("431 No such user."), final: true},
	}
}

// away has a server go away under a call: before, or with the first command. It comes
// back after a while, if that is not zero.
func (sub substitute) away(t *testing.T, p ftptest.Personality, early bool, back time.Duration, call func(*ftpnat.FS) error, then func(w *world, took time.Duration, err error)) {
	t.Helper()
	var gone atomic.Bool
	s := setup{ftp: func(s *ftptest.Server) { s.Personality = p }}
	s.dialer = func(d *ftpnat.Dialer) {
		dial := d.DialContext
		d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			switch {
			case !gone.Load():
				return dial(ctx, network, addr)
			case sub.front != nil:
				return sub.front.dial(), nil
			case sub.err != nil:
				return nil, sub.err
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, ".")
		if _, err := fsys.Stat("empty"); err != nil {
			t.Fatal(err)
		}
		if early {
			gone.Store(true)
			w.Server.Close()
		} else {
			step := ftptest.Step{Reply: ftptest.None, Then: ftptest.Reset, Do: func() { gone.Store(true) }}
			if sub.mute {
				step.Then = ftptest.Keep
			}
			for _, step.On = range []string{"RETR", "STOR", "MLSD", "LIST", "NLST", "SIZE", "MKD", "RNFR", "RMD", "DELE", "CWD", "MLST", "MDTM", "MFMT", "PWD", "EPSV"} {
				w.Server.Script = append(w.Server.Script, step)
			}
		}
		if back > 0 {
			time.AfterFunc(back, func() {
				w.Server.Script = nil
				gone.Store(false)
			})
		}
		start := time.Now()
		err := call(fsys)
		then(w, time.Since(start), err)
	})
}

// awayCalls are the calls under which a server goes away, and what they leave on it;
// nothing if they only read.
func awayCalls(t *testing.T) map[string]struct {
	do    func(*ftpnat.FS) error
	leave string
} {
	return map[string]struct {
		do    func(*ftpnat.FS) error
		leave string
	}{
		"ReadFile":         {func(f *ftpnat.FS) error { _, err := f.ReadFile("pub/file.bin"); return err }, ""},
		"ReadDir":          {func(f *ftpnat.FS) error { _, err := f.ReadDir("pub"); return err }, ""},
		"Glob":             {func(f *ftpnat.FS) error { _, err := f.Glob("p*/*"); return err }, ""},
		"Stat":             {func(f *ftpnat.FS) error { _, err := f.Stat("pub/file.bin"); return err }, ""},
		"Fetch":            {func(f *ftpnat.FS) error { return f.Fetch(t.TempDir(), "pub") }, ""},
		"WriteFile":        {func(f *ftpnat.FS) error { return f.WriteFile("x", content, 0o666) }, "x"},
		"WriteFile, short": {func(f *ftpnat.FS) error { return f.WriteFile("x", content[:100], 0o666) }, "x"},
		"Upload":           {func(f *ftpnat.FS) error { _, err := f.Upload("x", bytes.NewReader(content)); return err }, "x"},
		"CopyFS":           {func(f *ftpnat.FS) error { return f.CopyFS("up", fstest.MapFS{"a/b": {Data: content}}) }, "up/a/b"},
		"RemoveAll":        {func(f *ftpnat.FS) error { return f.RemoveAll("pub") }, "-pub"},
		"Remove":           {func(f *ftpnat.FS) error { return f.Remove("empty") }, "-empty"},
		"MkdirAll":         {func(f *ftpnat.FS) error { return f.MkdirAll("a/b", 0o777) }, "a/b"},
		"Mkdir":            {func(f *ftpnat.FS) error { return f.Mkdir("a", 0o777) }, "a"},
		"Rename":           {func(f *ftpnat.FS) error { return f.Rename("empty", "full") }, "full"},
		"Chtimes":          {func(f *ftpnat.FS) error { return f.Chtimes("empty", time.Now(), time.Now()) }, "empty"},
		"WalkDir": {func(f *ftpnat.FS) error {
			return fs.WalkDir(f, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
		}, ""},
		"Open": {func(f *ftpnat.FS) error {
			file, err := f.Open("pub/file.bin")
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, file)
			return cmp.Or(err, file.Close())
		}, ""},
		"Create": {func(f *ftpnat.FS) error {
			file, err := f.Create("x")
			if err != nil {
				return err
			}
			_, err = file.Write(content)
			return errors.Join(err, file.Close())
		}, "x"},
	}
}

// TestServerGone has a server go away, and something else, or nothing, be in its place:
// no call lasts longer than RetryFor and one try, whatever it is made of, and what a
// connection is refused with is said of no file.
func TestServerGone(t *testing.T) {
	for how, sub := range substitutes() {
		tries := 2 * defaultAttemptTimeout
		if sub.mute {
			tries *= replyLimits
		}
		for what, call := range awayCalls(t) {
			for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.Plain(), ftptest.IIS()} {
				for _, early := range []bool{false, true} {
					var wrong error
					sub.away(t, p, early, 0, call.do, func(w *world, took time.Duration, err error) {
						// RetryFor is counted from the first failure, and the last try begins
						// within it; ten seconds are to clean up.
						bad := err == nil || took > defaultRetryFor+tries+10*time.Second
						for _, kind := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, syscall.ENOTDIR, errors.ErrUnsupported} {
							bad = bad || errors.Is(err, kind)
						}
						var none *ftpnat.NegotiateError
						if errors.As(err, &none) && !strings.Contains(err.Error(), "cannot be reached any more") {
							bad = true
						}
						if bad {
							wrong = fmt.Errorf("%s, %s on %s, early: %v: %w after %v", how, what, p.Name, early, err, took)
						}
					})
					if wrong != nil {
						t.Error(wrong)
					}
				}
			}
		}
	}
}

// TestServerBack has it come back soon: no call notices, unless it was told a last word.
func TestServerBack(t *testing.T) {
	for how, sub := range substitutes() {
		for what, call := range awayCalls(t) {
			for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.Plain(), ftptest.IIS()} {
				var wrong error
				sub.away(t, p, false, 20*time.Second, call.do, func(w *world, took time.Duration, err error) {
					name, gone := strings.CutPrefix(call.leave, "-")
					_, serr := w.Server.Tree.Stat(cmp.Or(name, "."))
					if (err != nil) != sub.final || err == nil && (serr != nil) != gone {
						wrong = fmt.Errorf("%s, %s on %s: %v after %v; %s: %v", how, what, p.Name, err, took, name, serr)
					}
				})
				if wrong != nil {
					t.Error(wrong)
				}
			}
		}
	}
}

// TestServerGoneEnds has the context end, or Close be called, while nothing can be had:
// the call ends then, and says that.
func TestServerGoneEnds(t *testing.T) {
	const limit = 5 * time.Second
	ends := map[error]func(f *ftpnat.FS, call func(*ftpnat.FS) error) error{
		context.DeadlineExceeded: func(f *ftpnat.FS, call func(*ftpnat.FS) error) error {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			return call(f.WithContext(ctx))
		},
		ftpnat.ErrClosed: func(f *ftpnat.FS, call func(*ftpnat.FS) error) error {
			time.AfterFunc(limit, func() { f.Close() })
			return call(f)
		},
	}
	for how, sub := range substitutes() {
		if sub.final {
			continue
		}
		for what, call := range awayCalls(t) {
			for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.IIS()} {
				for want, end := range ends {
					var wrong error
					do := func(f *ftpnat.FS) error { return end(f, call.do) }
					sub.away(t, p, false, 0, do, func(_ *world, took time.Duration, err error) {
						late := took - limit
						if what == "Upload" {
							late -= 5 * time.Second // to clean up
						}
						if !errors.Is(err, want) || late > 100*time.Millisecond {
							wrong = fmt.Errorf("%s, %s on %s: %w after %v, want %w", how, what, p.Name, err, took, want)
						}
					})
					if wrong != nil {
						t.Error(wrong)
					}
				}
			}
		}
	}
}

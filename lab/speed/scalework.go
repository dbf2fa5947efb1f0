//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"
	"golang.org/x/sys/unix"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

const (
	scaleServer = "FTPNAT_SPEED_SERVER" // number of files that a process is to serve
	scaleSize   = 4 << 10
	scaleConns  = 4
	scaleLogin  = 55 * time.Millisecond
	scaleFew    = 50
	scaleDepth  = 32
)

// scalePlace is a server on loopback, and a folder for files.
type scalePlace struct {
	*process
	dir   string
	files int
	addrs []string // of the server, and of one whose login takes a while
	nth   int
}

// process is this program once more, as a server, which ends with its stdin.
type process struct {
	server *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
}

// startProcess starts it with a variable of the environment, which tells it what it is.
func startProcess(ctx context.Context, variable string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{server: exec.CommandContext(ctx, self)}
	p.server.Env = append(os.Environ(), variable)
	p.server.Stderr = os.Stderr
	if p.stdin, err = p.server.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewScanner(out)
	return p, p.server.Start()
}

// line returns the next line that it prints.
func (p *process) line() (string, error) {
	if !p.stdout.Scan() {
		return "", errors.New("the server has ended")
	}
	return p.stdout.Text(), nil
}

func (p *process) close() error {
	p.stdin.Close()
	return p.server.Wait()
}

// serveScale is the server's process.
func serveScale() bool {
	files, err := strconv.Atoi(os.Getenv(scaleServer))
	if err != nil {
		return false
	}
	tree := ftptest.NewTree()
	write := func(name string) {
		if err := tree.WriteFrom(name, nil, scaleSize, 0o644); err != nil {
			panic(err)
		}
	}
	for n := range files {
		write(fmt.Sprintf("flat/file%05d", n))
		write(deep(scaleDepth) + fmt.Sprintf("file%05d", n))
		if n < files/scaleTenth {
			write(fmt.Sprintf("tenth/file%05d", n))
		}
		if n < scaleFew {
			write(fmt.Sprintf("few/file%05d", n))
		}
		write(fmt.Sprintf("wide/dir%05d/file%d", n/10, n%10))
	}
	for _, script := range [][]ftptest.Step{nil, {{On: "PASS", Delay: scaleLogin}}} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		srv := &ftptest.Server{Tree: tree, Personality: ftptest.VSFTPD(), Script: script, Network: ftptest.Network{Listen: listenInTurn()}}
		srv.Start(ln)
		defer srv.Close()
		fmt.Println(ln.Addr())
	}
	io.Copy(io.Discard, os.Stdin)
	return true
}

func startScale(ctx context.Context, dir string, files int) (*scalePlace, error) {
	server, err := startProcess(ctx, fmt.Sprintf("%s=%d", scaleServer, files))
	if err != nil {
		return nil, err
	}
	p := &scalePlace{process: server, dir: dir, files: files}
	for len(p.addrs) < 2 {
		addr, err := p.line()
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.addrs = append(p.addrs, addr)
	}
	// What is sent up lies here.
	_, err = p.ftpnat(scaleConns, func(fsys *ftpnat.FS) error {
		return errors.Join(fsys.Fetch(filepath.Join(dir, "flat"), "flat"), fsys.Fetch(filepath.Join(dir, "tenth"), "tenth"), fsys.Fetch(filepath.Join(dir, "deep"), "directory"))
	})(ctx)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// fresh returns a name that was not used yet.
func (p *scalePlace) fresh() string {
	p.nth++
	return fmt.Sprintf("out%d", p.nth)
}

// rows are the jobs.
func (p *scalePlace) rows() []scaleRow {
	var rows []scaleRow
	for _, from := range []struct{ about, remote, local, below string }{
		{"", "flat", "flat", ""},
		{", in directories 32 deep", "directory", "deep", strings.TrimPrefix(deep(scaleDepth), "directory/")},
	} {
		down := []worker{
			{"ftpnat", p.down(func(to string, fsys *ftpnat.FS) error { return fsys.Fetch(to, from.remote) })},
			{"jlaffaye/ftp", p.jlaffayeDown(path.Join(from.remote, from.below))},
		}
		up := []worker{
			{"ftpnat", p.ftpnat(scaleConns, func(fsys *ftpnat.FS) error {
				return fsys.CopyFS(p.fresh(), os.DirFS(filepath.Join(p.dir, from.local)))
			})},
			{"jlaffaye/ftp", p.jlaffayeUp(from.local, from.below)},
		}
		if from.below == "" {
			down, up = append(down, p.besides(false)...), append(up, p.besides(true)...)
		}
		rows = append(rows,
			scaleRow{"a file of 4 KiB down, 4 connections" + from.about, p.files, down},
			scaleRow{"a file of 4 KiB up, 4 connections" + from.about, p.files, up})
	}
	few := func(conns int) func(context.Context) (use, error) {
		return p.on(func() error { return p.few(conns) })
	}
	walk := func(conns int) func(context.Context) (use, error) {
		return p.ftpnat(conns, func(fsys *ftpnat.FS) error {
			return fs.WalkDir(fsys, "wide", func(_ string, _ fs.DirEntry, err error) error { return err })
		})
	}
	return append(rows,
		scaleRow{"one of 50 files down, all included, a login of 55 ms", scaleFew, []worker{{"ftpnat, 4 connections", few(4)}, {"ftpnat, 1 connection", few(1)}, {"jlaffaye/ftp, 1 connection", p.jlaffayeFew()}}},
		scaleRow{"a directory of 10 files in a walk", p.files / 10, []worker{{"ftpnat, 4 connections", walk(4)}, {"ftpnat, 1 connection", walk(1)}}})
}

// on measures what this process uses for a job.
func (p *scalePlace) on(do func() error) func(context.Context) (use, error) {
	return func(context.Context) (use, error) { return used(do) }
}

// used does something and returns what this process used for it.
func used(do func() error) (use, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), processCPU()
	err := do()
	u := use{Wall: time.Since(start), CPU: processCPU() - cpu}
	runtime.ReadMemStats(&after)
	u.Allocs = float64(after.Mallocs - before.Mallocs)
	u.Bytes = float64(after.TotalAlloc - before.TotalAlloc)
	return u, err
}

func processCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic("speed: no clock of this process: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// ftpnat measures a job on a session that is up.
func (p *scalePlace) ftpnat(conns int, do func(*ftpnat.FS) error) func(context.Context) (use, error) {
	return func(ctx context.Context) (u use, err error) {
		fsys, err := (&ftpnat.Dialer{MaxConns: conns}).Open(ctx, "ftp://"+p.addrs[0])
		if err != nil {
			return u, err
		}
		defer fsys.Close()
		return p.on(func() error { return do(fsys) })(ctx)
	}
}

func (p *scalePlace) down(do func(to string, fsys *ftpnat.FS) error) func(context.Context) (use, error) {
	return func(ctx context.Context) (use, error) {
		to := filepath.Join(p.dir, p.fresh())
		u, err := p.ftpnat(scaleConns, func(fsys *ftpnat.FS) error { return do(to, fsys) })(ctx)
		return u, errors.Join(err, os.RemoveAll(to))
	}
}

// few reads 50 files, from connect to the end.
func (p *scalePlace) few(conns int) error {
	fsys, err := (&ftpnat.Dialer{MaxConns: conns, Memory: scaleMemory}).Open(context.Background(), "ftp://"+p.addrs[1])
	if err != nil {
		return err
	}
	defer fsys.Close()
	return inLanes(conns, scaleFew, func(_, n int) error {
		_, err := fsys.ReadFile(fmt.Sprintf("few/file%05d", n))
		return err
	})
}

var scaleMemory = new(ftpnat.MemoryMap)

// inLanes does things by so many goroutines.
func inLanes(lanes, n int, do func(lane, i int) error) error {
	jobs := make(chan int)
	errs := make([]error, lanes)
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := range jobs {
				if errs[lane] == nil {
					errs[lane] = do(lane, i)
				}
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	all.Wait()
	return errors.Join(errs...)
}

// jlaffaye opens connections.
func (p *scalePlace) jlaffaye(addr string, n int) (conns []*ftp.ServerConn, err error) {
	for range n {
		c, err := ftp.Dial(addr)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if err := c.Login("anonymous", "x"); err != nil {
			return conns, err
		}
	}
	return conns, nil
}

// overJlaffaye measures a job for each file.
func (p *scalePlace) overJlaffaye(each func(c *ftp.ServerConn, file string) error) func(context.Context) (use, error) {
	return func(ctx context.Context) (u use, err error) {
		conns, err := p.jlaffaye(p.addrs[0], scaleConns)
		defer func() {
			for _, c := range conns {
				c.Quit()
			}
		}()
		if err != nil {
			return u, err
		}
		return p.on(func() error {
			return inLanes(scaleConns, p.files, func(lane, n int) error { return each(conns[lane], fmt.Sprintf("file%05d", n)) })
		})(ctx)
	}
}

// jlaffayeDown is what a careful user writes: the verdict is looked at, and nothing
// is replaced.
func (p *scalePlace) jlaffayeDown(from string) func(context.Context) (use, error) {
	return func(ctx context.Context) (use, error) {
		top := filepath.Join(p.dir, p.fresh())
		to := filepath.Join(top, strings.TrimPrefix(from, "flat"))
		if err := os.MkdirAll(to, 0o777); err != nil {
			return use{}, err
		}
		u, err := p.overJlaffaye(func(c *ftp.ServerConn, file string) error {
			body, err := c.Retr(from + "/" + file)
			if err != nil {
				return err
			}
			out, err := os.OpenFile(filepath.Join(to, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, body)
			return errors.Join(err, body.Close(), out.Close())
		})(ctx)
		return u, errors.Join(err, os.RemoveAll(top))
	}
}

func (p *scalePlace) jlaffayeUp(local, below string) func(context.Context) (use, error) {
	return func(ctx context.Context) (use, error) {
		conns, err := p.jlaffaye(p.addrs[0], 1)
		if err != nil {
			return use{}, err
		}
		to := p.fresh()
		dir := ""
		for part := range strings.SplitSeq(strings.TrimSuffix(to+"/"+below, "/"), "/") {
			dir = path.Join(dir, part)
			if err := conns[0].MakeDir(dir); err != nil {
				return use{}, err
			}
		}
		conns[0].Quit()
		from := filepath.Join(p.dir, local, below)
		return p.overJlaffaye(func(c *ftp.ServerConn, file string) error {
			in, err := os.Open(filepath.Join(from, file))
			if err != nil {
				return err
			}
			defer in.Close()
			return c.Stor(dir+"/"+file, in)
		})(ctx)
	}
}

func (p *scalePlace) jlaffayeFew() func(context.Context) (use, error) {
	return p.on(func() error {
		conns, err := p.jlaffaye(p.addrs[1], 1)
		if err != nil {
			return err
		}
		defer conns[0].Quit()
		for n := range scaleFew {
			body, err := conns[0].Retr(fmt.Sprintf("few/file%05d", n))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, body)
			if err := errors.Join(err, body.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

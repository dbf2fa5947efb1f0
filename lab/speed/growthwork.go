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
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

const (
	growthServer = "FTPNAT_SPEED_GROWTH" // the growthTree that a process is to serve
	growthEach   = 100                   // files of a directory
	growthCalls  = 2000
	growthBig    = 256 << 20 // the size of one more file

	aboutOpen       = "open files, 100 bytes read of each"
	aboutGoroutines = "goroutines in ReadFile, a call"
	aboutWalk       = "files, WalkDir with Info"
	aboutFetch      = "files, Fetch"
	aboutCopy       = "files, CopyFS"
)

// growthTree is files of 4 KiB in directories below tree, as many in each.
type growthTree struct{ Dirs, Each int }

func growthDir(d int) string { return fmt.Sprintf("tree/dir%05d", d) }

func (t growthTree) name(n int) string {
	return fmt.Sprintf("%s/file%07d", growthDir(n/t.Each), n%t.Each)
}

// names returns the first n names.
func (t growthTree) names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = t.name(i)
	}
	return list
}

// spreadTree has n files in directories of a hundred.
func spreadTree(n int) growthTree { return growthTree{(n + growthEach - 1) / growthEach, growthEach} }

func oneDirectory(n int) growthTree { return growthTree{1, n} }

// serveGrowth is the server's process: for each line that it reads it tells how many
// commands came.
func serveGrowth() bool {
	var t growthTree
	if _, err := fmt.Sscan(os.Getenv(growthServer), &t.Dirs, &t.Each); err != nil {
		return false
	}
	tree := ftptest.NewTree()
	write := func(name string, size int64) {
		if err := tree.WriteFrom(name, nil, size, 0o644); err != nil {
			panic(err)
		}
	}
	for n := range t.Dirs * t.Each {
		write(t.name(n), scaleSize)
	}
	for n := range growthEach {
		write(fmt.Sprintf("warm/file%d", n), scaleSize)
	}
	write("big", growthBig)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv := &ftptest.Server{Tree: tree, Personality: ftptest.VSFTPD(), Discard: true, Network: ftptest.Network{Listen: listenInTurn()}}
	srv.Start(ln)
	defer srv.Close()
	fmt.Println(ln.Addr())
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		n := 0
		for _, times := range srv.Counters().Commands {
			n += times
		}
		fmt.Println(n)
	}
	return true
}

// listenInTurn opens ports that the system gives to no client, one after the other:
// where thousands of its own ports wait out the minute after their connection, finding
// a free one would be most of what a file costs.
func listenInTurn() func(ctx context.Context, network, addr string) (net.Listener, error) {
	const first, ports = 10_000, 10_000
	var last atomic.Uint32
	return func(ctx context.Context, network, addr string) (ln net.Listener, err error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		for range ports {
			port := first + int(last.Add(1)%ports)
			ln, err = new(net.ListenConfig).Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(port)))
			if !errors.Is(err, syscall.EADDRINUSE) {
				return ln, err
			}
		}
		return nil, err
	}
}

// growthPlace is such a process.
type growthPlace struct {
	*process
	ctx  context.Context
	addr string
}

func startGrowth(ctx context.Context, t growthTree) (*growthPlace, error) {
	server, err := startProcess(ctx, fmt.Sprintf("%s=%d %d", growthServer, t.Dirs, t.Each))
	if err != nil {
		return nil, err
	}
	addr, err := server.line()
	if err != nil {
		return nil, errors.Join(err, server.close())
	}
	return &growthPlace{process: server, ctx: ctx, addr: addr}, nil
}

// commands returns how many commands the server had so far.
func (p *growthPlace) commands() (int, error) {
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return 0, err
	}
	n, err := p.line()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(n)
}

func (p *growthPlace) open(d *ftpnat.Dialer) (*ftpnat.FS, error) {
	return d.Open(p.ctx, "ftp://"+p.addr)
}

// onFS is a job on one FS that is up.
func onFS(p *growthPlace, warm, do func(*ftpnat.FS) error) (growthJob, error) {
	fsys, err := p.open(&ftpnat.Dialer{MaxConns: scaleConns})
	if err != nil {
		return growthJob{}, err
	}
	afresh := func(do func(*ftpnat.FS) error) func() error {
		return func() error {
			fsys.Refresh()
			return do(fsys)
		}
	}
	// Without its server it would try again for minutes.
	stop := context.AfterFunc(p.ctx, func() { fsys.Close() })
	return growthJob{Warm: afresh(warm), Do: afresh(do), Close: func() error {
		stop()
		return fsys.Close()
	}}, nil
}

// subjects are those of the table, with at most so many files, the longest last.
func subjects(most int) []subject {
	few := []int{1, 10, 100, 1000}
	entries := []int{1000, 10_000, 100_000, 1_000_000}
	files := slices.DeleteFunc(slices.Clone(entries), func(n int) bool { return n > most })
	return []subject{
		{About: "entries of one directory, ReadDir", Numbers: entries, Tree: oneDirectory, Prepare: prepareEntries},
		{About: aboutOpen, Numbers: []int{10, 100, 1000, 10_000}, Tree: spreadTree, Prepare: prepareOpen},
		{About: aboutGoroutines, Numbers: few, Tree: func(int) growthTree { return spreadTree(growthEach) },
			Units: func(int) int { return growthCalls }, Prepare: prepareGoroutines},
		{About: "FS of one Dialer, Open and ReadFile", Numbers: few, Tree: func(int) growthTree { return spreadTree(growthEach) }, Prepare: prepareFS(true)},
		{About: "Dialers, Open and ReadFile", Numbers: few, Tree: func(int) growthTree { return spreadTree(growthEach) }, Prepare: prepareFS(false)},
		{About: aboutWalk, Numbers: files, Tree: spreadTree, Prepare: prepareWalk},
		{About: aboutFetch, Numbers: files, Tree: spreadTree, Prepare: prepareFetch},
		{About: aboutCopy, Numbers: files, Tree: oneFew, Prepare: prepareCopy},
	}
}

// oneFew is for what needs no files on the server.
func oneFew(int) growthTree { return growthTree{1, 1} }

func prepareEntries(p *growthPlace, n int) (growthJob, error) {
	list := func(dir string, n int) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) error {
			if list, err := fs.ReadDir(fsys, dir); err != nil || len(list) != n {
				return fmt.Errorf("%d entries of %d: %w", len(list), n, err)
			}
			return nil
		}
	}
	// The second listing of a session is compared with another of the same directory,
	// to learn what this server lists.
	warm := list("warm", growthEach)
	twice := func(fsys *ftpnat.FS) error {
		if err := warm(fsys); err != nil {
			return err
		}
		fsys.Refresh()
		return warm(fsys)
	}
	return onFS(p, twice, list(growthDir(0), n))
}

func prepareWalk(p *growthPlace, _ int) (growthJob, error) {
	walk := func(dir string) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) error {
			return fs.WalkDir(fsys, dir, func(_ string, d fs.DirEntry, err error) error {
				if err == nil {
					_, err = d.Info()
				}
				return err
			})
		}
	}
	return onFS(p, walk(growthDir(0)), walk("tree"))
}

func prepareOpen(p *growthPlace, n int) (growthJob, error) {
	some := func(names []string) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) (err error) {
			files := make([]fs.File, 0, len(names))
			defer func() {
				for _, f := range files {
					err = errors.Join(err, f.Close())
				}
			}()
			head := make([]byte, 100)
			for _, name := range names {
				f, err := fsys.Open(name)
				if err != nil {
					return err
				}
				files = append(files, f)
			}
			for _, f := range files {
				if _, err := io.ReadFull(f, head); err != nil {
					return err
				}
			}
			return nil
		}
	}
	names := spreadTree(n).names(n)
	return onFS(p, some(names[:min(n, growthEach)]), some(names))
}

func prepareGoroutines(p *growthPlace, n int) (growthJob, error) {
	names := spreadTree(growthEach).names(growthEach)
	read := func(goroutines, calls int) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) error {
			return inLanes(goroutines, calls, func(_, i int) error {
				_, err := fsys.ReadFile(names[i%len(names)])
				return err
			})
		}
	}
	return onFS(p, read(n, growthEach), read(n, growthCalls))
}

// prepareFS opens as many FS, which are all open before the first is closed.
func prepareFS(oneDialer bool) func(*growthPlace, int) (growthJob, error) {
	return func(p *growthPlace, n int) (growthJob, error) {
		name := spreadTree(growthEach).name(0)
		d := &ftpnat.Dialer{MaxConns: scaleConns}
		all := func(n int) func() error {
			return func() (err error) {
				open := make([]*ftpnat.FS, 0, n)
				defer func() {
					for _, fsys := range open {
						err = errors.Join(err, fsys.Close())
					}
				}()
				for range n {
					if !oneDialer {
						d = &ftpnat.Dialer{MaxConns: scaleConns}
					}
					fsys, err := p.open(d)
					if err != nil {
						return err
					}
					open = append(open, fsys)
					if _, err := fsys.ReadFile(name); err != nil {
						return err
					}
				}
				return nil
			}
		}
		return growthJob{Warm: all(2), Do: all(n), Close: func() error { return nil }}, nil
	}
}

func prepareFetch(p *growthPlace, _ int) (growthJob, error) {
	dir, remove, err := tempDir()
	if err != nil {
		return growthJob{}, err
	}
	to := filepath.Join(dir, "to")
	fetch := func(to, from string) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) error { return fsys.Fetch(to, from) }
	}
	job, err := onFS(p, fetch(filepath.Join(dir, "warm"), growthDir(0)), fetch(to, "tree"))
	if err != nil {
		return job, errors.Join(err, remove())
	}
	job.Clear = func() error { return os.RemoveAll(to) }
	up := job.Close
	job.Close = func() error { return errors.Join(up(), remove()) }
	return job, nil
}

func prepareCopy(p *growthPlace, n int) (growthJob, error) {
	dir, remove, err := tempDir()
	if err != nil {
		return growthJob{}, err
	}
	if err := writeTree(dir, spreadTree(n), n); err != nil {
		return growthJob{}, errors.Join(err, remove())
	}
	nth := 0
	up := func(from string) func(*ftpnat.FS) error {
		return func(fsys *ftpnat.FS) error {
			nth++
			return fsys.CopyFS(fmt.Sprintf("to%d", nth), os.DirFS(filepath.Join(dir, from)))
		}
	}
	job, err := onFS(p, up(growthDir(0)), up("tree"))
	if err != nil {
		return job, errors.Join(err, remove())
	}
	end := job.Close
	job.Close = func() error { return errors.Join(end(), remove()) }
	return job, nil
}

// writeTree writes the first n files of a tree.
func writeTree(dir string, t growthTree, n int) error {
	content := make([]byte, scaleSize)
	for d := range t.Dirs {
		if err := os.MkdirAll(filepath.Join(dir, growthDir(d)), 0o777); err != nil {
			return err
		}
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, t.name(i)), content, 0o666); err != nil {
			return err
		}
	}
	return nil
}

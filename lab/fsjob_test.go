//go:build linux

package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
)

// fsJob is what a process in the client's namespace does with an ftpnat.FS.
type fsJob struct {
	Do       string // the key of fsJobs
	URL      string
	MaxConns int
	Split    int64    // Dialer.SplitOver
	Names    []string // of files that must be there, or are to be written
	Dir      string   // on this machine
	Timeout  time.Duration
}

// fsResult is what it saw.
type fsResult struct {
	Errs    map[string]string // by what was done
	Sum     string            // SHA-256 of what was read
	Elapsed time.Duration
	Last    time.Duration // from the last byte until its end was known
	Trace   []string      // the end of the dialogue
	Seen    map[string]seen
	Sent    map[string]int // commands, by verb
}

const fsVariable = "FTPNAT_LAB_FS"

// init does an fsJob and ends the process, if this process was started for
// one.
func init() {
	if os.Getenv(fsVariable) == "" {
		return
	}
	// Not JSON: names are not all UTF-8.
	var job fsJob
	err := gob.NewDecoder(os.Stdin).Decode(&job)
	if err == nil {
		err = gob.NewEncoder(os.Stdout).Encode(job.run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

var fsJobs = map[string]func(fsJob, *ftpnat.FS, *fsResult){
	"conform": fsJob.conform, "copy": fsJob.copy, "fetch": fsJob.fetch, "names": fsJob.writeNames, "read": fsJob.read, "upload": fsJob.upload,
	"walk": fsJob.walk, "lazy": fsJob.lazy, "sessions": fsJob.sessions,
}

func (job fsJob) run() *fsResult {
	ctx, cancel := context.WithTimeout(context.Background(), job.Timeout)
	defer cancel()
	r := &fsResult{Errs: make(map[string]string), Sent: make(map[string]int)}
	ctx = ftpnat.WithTrace(ctx, r.trace())
	start := time.Now()
	fsys, err := (&ftpnat.Dialer{MaxConns: job.MaxConns, SplitOver: job.Split}).Open(ctx, job.URL)
	if err != nil {
		r.fail("open", err)
		return r
	}
	fsJobs[job.Do](job, fsys.WithContext(ctx), r)
	r.fail("close", fsys.Close())
	r.Elapsed = time.Since(start)
	return r
}

// trace keeps the last lines of the dialogue.
func (r *fsResult) trace() *ftpnat.Trace {
	var mu sync.Mutex
	add := func(format string, args ...any) {
		const most = 60
		mu.Lock()
		defer mu.Unlock()
		r.Trace = append(r.Trace, fmt.Sprintf(format, args...))
		r.Trace = r.Trace[max(0, len(r.Trace)-most):]
	}
	return &ftpnat.Trace{
		Command: func(line string) {
			add("> %s", line)
			verb, _, _ := strings.Cut(line, " ")
			mu.Lock()
			defer mu.Unlock()
			r.Sent[verb]++
		},
		Reply:   func(reply ftpnat.Reply) { add("< %s", reply) },
		Lost:    func(err error) { add("lost: %v", err) },
		Note:    func(text string) { add("note: %s", text) },
		Attempt: func(a ftpnat.Attempt) { add("attempt: %s", a) },
	}
}

func (r *fsResult) fail(what string, err error) {
	if err != nil {
		r.Errs[what] = err.Error()
	}
}

// conform runs the checks of the standard library on an FS and on a directory
// of it.
func (job fsJob) conform(fsys *ftpnat.FS, r *fsResult) {
	r.fail("TestFS", fstest.TestFS(fsys, job.Names...))
	for _, name := range job.Names {
		dir, base, _ := strings.Cut(name, "/")
		sub, err := fsys.Sub(dir)
		if err == nil {
			err = fstest.TestFS(sub, base)
		}
		r.fail("TestFS of "+dir, err)
	}
}

// copy copies Dir up, and down again into another folder beside it.
func (job fsJob) copy(fsys *ftpnat.FS, r *fsResult) {
	r.fail("up", fsys.CopyFS("copy", os.DirFS(job.Dir)))
	sub, err := fsys.Sub("copy")
	if err == nil {
		err = os.CopyFS(job.Dir+".down", sub)
	}
	r.fail("down", err)
}

// fetch copies the tree down into Dir. Ranges that do not make a file are told
// by a note.
func (job fsJob) fetch(fsys *ftpnat.FS, r *fsResult) {
	ctx := ftpnat.WithTrace(context.Background(), r.trace())
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{Note: func(text string) {
		if strings.Contains(text, "in one stream") {
			r.fail("ranges", errors.New(text))
		}
	}})
	r.fail("fetch", fsys.WithContext(ctx).Fetch(job.Dir, "."))
}

// writeNames writes a file under each name with itself as the content, reads it
// again, and makes a directory.
func (job fsJob) writeNames(fsys *ftpnat.FS, r *fsResult) {
	r.fail(dirs, fsys.Mkdir(dirs, 0o755))
	for _, name := range job.Names {
		err := fsys.WriteFile(name, []byte(name), 0o644)
		var pe *fs.PathError
		if err != nil && (!errors.As(err, &pe) || pe.Path != name) {
			err = fmt.Errorf("an error without the name: %w", err)
		}
		if err == nil {
			err = job.again(fsys, name)
		}
		r.fail(name, err)
		r.fail(dirKey+name, fsys.Mkdir(dirs+"/"+name, 0o755))
	}
}

const (
	dirs   = "dirs" // the folder for those
	dirKey = "mkdir "
)

func (job fsJob) again(fsys *ftpnat.FS, name string) error {
	got, err := fsys.ReadFile(name)
	if err == nil && string(got) != name {
		err = fmt.Errorf("read %q", got)
	}
	info, serr := fsys.Stat(name)
	if serr == nil && (info.Name() != name || info.Size() != int64(len(name))) {
		serr = fmt.Errorf("Stat returned %v", info)
	}
	return errors.Join(err, serr)
}

// read reads a file and watches what happens at its end.
func (job fsJob) read(fsys *ftpnat.FS, r *fsResult) {
	f, err := fsys.Open(job.Names[0])
	if err != nil {
		r.fail("open", err)
		return
	}
	defer f.Close()
	sum := sha256.New()
	last := time.Now()
	_, err = io.Copy(io.MultiWriter(sum, writerFunc(func(p []byte) { last = time.Now() })), f)
	r.fail("read", err)
	r.Last = time.Since(last)
	r.Sum = hex.EncodeToString(sum.Sum(nil))
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

// upload uploads a file of this machine, and some bytes of memory over it.
func (job fsJob) upload(fsys *ftpnat.FS, r *fsResult) {
	f, err := os.Open(filepath.Join(job.Dir, job.Names[0]))
	if err != nil {
		r.fail("open", err)
		return
	}
	defer f.Close()
	hashed := 0
	ctx := ftpnat.WithTrace(context.Background(), &ftpnat.Trace{Command: func(line string) {
		if strings.HasPrefix(line, "HASH ") {
			hashed++
		}
	}})
	_, err = fsys.WithContext(ctx).Upload("small", bytes.NewReader([]byte("small")))
	r.fail("small", err)
	_, err = fsys.WithContext(ctx).Upload(job.Names[0], f)
	r.fail(job.Names[0], err)
	if hashed != 2 {
		r.fail("hash", fmt.Errorf("%d hashes were asked for", hashed))
	}
}

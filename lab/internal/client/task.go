//go:build linux

package client

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"
)

// Action is what a Task does with its files.
type Action string

// The actions.
const (
	ReadFile Action = "read"      // fs.ReadFile
	OpenRead Action = "open"      // Open, io.ReadAll, Close
	Write    Action = "write"     // WriteFile
	Walk     Action = "walk"      // fs.WalkDir
	WalkInfo Action = "walk-info" // and Info of every entry
	Download Action = "download"  // from the server into Task.Local
	Upload   Action = "upload"    // from Task.Local to the server
)

// Task is a job that is measured, for the kinds FS, Jlaffaye and Bare.
type Task struct {
	Action Action
	Warm   []string // files that are read or written before the clock runs; if there are any the session is up
	Files  []string // content of each is FileContent of its name
	Size   int      // of each
	Conns  int      // control connections, and goroutines that share the files
	Local  string   // the file of Download and Upload

	ListHidden bool // jlaffaye/ftp is told that the server hides names that begin with a dot
}

// Measured is what a Task took.
type Measured struct {
	From, To time.Duration // as delay.Now has it
	CPU      time.Duration // of this process, in between
	Memory   int64         // peak of the process above what it was at From, in bytes
	Names    []string      // that a walk met; with its size if it asked for it
	TraceAt  []time.Duration
}

// FileContent returns the content of the file of that name.
func FileContent(name string, size int) []byte {
	seed := uint64(14695981039346656037)
	for _, c := range []byte(name) {
		seed = (seed ^ uint64(c)) * 1099511628211
	}
	return Payload(seed, size)
}

// worker is a client that does tasks.
type worker interface {
	// transfer reads or writes a file. Calls with different lanes, numbers
	// below Task.Conns, may overlap.
	transfer(lane int, a Action, name string, data []byte) ([]byte, error)
	walk(info bool) ([]string, error)
	bulk(a Action, name, local string) error
	close() error
}

// task does the job's task with the worker that open makes.
func (job Job) task(ctx context.Context, u *url.URL, r *Result) error {
	t := job.Task
	content := make(map[string][]byte)
	for _, names := range [][]string{t.Warm, t.Files} {
		for _, name := range names {
			content[name] = FileContent(name, t.Size)
		}
	}
	r.Measured = new(Measured)
	m := newMeter(r.Measured)
	w, err := job.worker(ctx, u, r)
	if err != nil {
		return err
	}
	if len(t.Warm) > 0 {
		if err := t.each(w, t.Warm, content); err != nil {
			return err
		}
		m = newMeter(r.Measured)
	}
	switch t.Action {
	case Walk, WalkInfo:
		r.Measured.Names, err = w.walk(t.Action == WalkInfo)
	case Download, Upload:
		err = w.bulk(t.Action, t.Files[0], t.Local)
	default:
		err = t.each(w, t.Files, content)
	}
	m.stop()
	if err != nil {
		return err
	}
	return w.close()
}

func (job Job) worker(ctx context.Context, u *url.URL, r *Result) (worker, error) {
	switch job.Kind {
	case FS:
		return job.ftpnatWorker(ctx, u, r)
	case Jlaffaye:
		return job.jlaffayeWorker(ctx, u)
	case Bare:
		return job.bareWorker(ctx, u)
	}
	return nil, fmt.Errorf("%q does no tasks", job.Kind)
}

// each transfers the files, shared out among the lanes, and compares what it
// got.
func (t *Task) each(w worker, files []string, content map[string][]byte) error {
	lanes := max(t.Conns, 1)
	next := make(chan string, len(files))
	for _, name := range files {
		next <- name
	}
	close(next)
	errs := make([]error, lanes)
	var running sync.WaitGroup
	for lane := range lanes {
		running.Go(func() {
			for name := range next {
				if errs[lane] = t.one(w, lane, name, content[name]); errs[lane] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Task) one(w worker, lane int, name string, content []byte) error {
	got, err := w.transfer(lane, t.Action, name, content)
	if err != nil {
		return fmt.Errorf("%s %s: %w", t.Action, name, err)
	}
	if t.Action != Write && !bytes.Equal(got, content) {
		return fmt.Errorf("%s %s: %d bytes that are not those of the file, of %d", t.Action, name, len(got), len(content))
	}
	return nil
}

// target opens the file of a Download. One that is there is written over: the
// memory that it has stays its own, so that what the system takes to find some,
// which is now little and then as much as all of the copy, is in no figure.
func target(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
}

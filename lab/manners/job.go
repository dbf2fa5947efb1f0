//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// job is what a client in a namespace is told.
type job struct {
	URL   string
	Root  string   // the server's folder, to see what is so
	Local string   // a folder for what comes down
	Hides []string // see row
	Fill  bool     // all but room of the server's disk is taken
}

// finding is one thing that was tried.
type finding struct {
	Check, What string
	State       state
	Text        string // what is wrong, or the error
	Kind        string // of the error
	Elapsed     time.Duration
	Trace       []string // the end of the dialogue, unless it went right, and soon
}

func (f finding) key() string { return f.Check + "/" + f.What }

// state is what became of it.
type state int

const (
	fine    state = iota
	refused       // an error, and nothing is as it should not be
	wrong         // no error, and it is not so; or an error, and something was done all the same
)

// Limits of a job. The suite takes a few seconds.
const (
	checkTimeout = 40 * time.Second
	retryFor     = 5 * time.Second
	jobTimeout   = 5 * time.Minute
)

const jobVariable = "FTPNAT_LAB_MANNERS"

// child does a job and ends the process, if this process was started for one.
func child() {
	if os.Getenv(jobVariable) == "" {
		return
	}
	var j job
	err := gob.NewDecoder(os.Stdin).Decode(&j)
	if err == nil {
		err = plant(j.Root, j.Fill)
	}
	if err == nil {
		err = gob.NewEncoder(os.Stdout).Encode(j.do())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work has a process inside the namespace do the job.
func work(ctx context.Context, where *netns.Namespace, j job) ([]finding, error) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	var input, stdout, stderr bytes.Buffer
	if err := gob.NewEncoder(&input).Encode(j); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := where.Command(ctx, self)
	cmd.Env = append(slices.Clone(os.Environ()), jobVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &input, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	var found []finding
	return found, gob.NewDecoder(&stdout).Decode(&found)
}

// do runs the suite. Each check has a session of its own; what was learnt of
// the server stays.
func (j job) do() []finding {
	var found []finding
	var cut cutter
	d := &ftpnat.Dialer{RetryFor: retryFor, DialContext: cut.dial, Listen: cut.listen}
	for _, c := range suite {
		s := &bench{job: j, cut: &cut, check: c.name, dir: "work/" + c.name}
		s.run(d, c.do)
		found = append(found, s.found...)
	}
	return found
}

// bench is where one check is done.
type bench struct {
	job
	fs    *ftpnat.FS
	cut   *cutter
	check string
	dir   string // on the server, for this check alone
	found []finding
	since time.Time

	mu    sync.Mutex
	trace []string
}

func (s *bench) run(d *ftpnat.Dialer, do func(*bench)) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Command: func(line string) { s.heard("> %s", line) },
		Reply:   func(r ftpnat.Reply) { s.heard("< %s", r) },
		Lost:    func(err error) { s.heard("lost: %v", err) },
		Note:    func(text string) { s.heard("note: %s", text) },
		Attempt: func(a ftpnat.Attempt) { s.heard("attempt: %s", a) },
	})
	s.since = time.Now()
	fsys, err := d.Open(ctx, s.URL)
	if err != nil {
		s.did("login", err)
		return
	}
	s.fs = fsys.WithContext(ctx)
	do(s)
	fsys.Close()
}

func (s *bench) heard(format string, args ...any) {
	const most = 40
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
	s.trace = s.trace[max(0, len(s.trace)-most):]
}

// add writes down what became of something.
func (s *bench) add(f finding) {
	f.Check, f.Elapsed = s.check, time.Since(s.since)
	s.mu.Lock()
	if f.State != fine || f.Elapsed > slow {
		f.Trace = slices.Clone(s.trace)
	}
	s.trace = nil
	s.mu.Unlock()
	s.found = append(s.found, f)
	s.since = time.Now()
}

// did writes down that something was tried, and reports whether it went well.
// What it came to is a difference that should not be: what it is in place of
// what it should be.
func (s *bench) did(what string, err error, difference ...string) bool {
	f := finding{What: what, Kind: kindOf(err)}
	difference = slices.DeleteFunc(difference, func(d string) bool { return d == "" })
	switch {
	case len(difference) > 0:
		f.State, f.Text = wrong, strings.Join(difference, "; ")
		if err != nil {
			f.Text += "; the error: " + err.Error()
		} else {
			f.Text += "; no error"
		}
	case err != nil:
		f.State, f.Text = refused, err.Error()
	}
	s.add(f)
	return f.State == fine
}

// must writes down something that cannot go well: its error has to be of a
// kind.
func (s *bench) must(what string, err, kind error, difference ...string) {
	switch {
	case err == nil:
		s.did(what, nil, append(difference, "it must fail")...)
	case !errors.Is(err, kind):
		s.did(what, fmt.Errorf("not %q: %w", kind, err), difference...)
	default:
		s.did(what, nil, difference...)
	}
}

// kinds are what a caller can ask an error for.
var kinds = []struct {
	err  error
	name string
}{
	{fs.ErrNotExist, "not exist"}, {fs.ErrExist, "exist"}, {fs.ErrPermission, "permission"}, {fs.ErrInvalid, "invalid"},
	{errors.ErrUnsupported, "unsupported"}, {syscall.ENOSPC, "no space"}, {ftpnat.ErrNoVerdict, "no verdict"},
	{ftpnat.ErrShort, "short"}, {ftpnat.ErrMismatch, "mismatch"}, {ftpnat.ErrChanged, "changed"},
	{ftpnat.ErrTruncated, "truncated"}, {ftpnat.ErrStalled, "stalled"}, {context.DeadlineExceeded, "too late"},
}

// kindOf returns the reply's code and the kind of an error.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	var words []string
	var reply *ftpnat.ReplyError
	if errors.As(err, &reply) {
		words = append(words, fmt.Sprint(reply.Reply.Code))
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			words = append(words, k.name)
			break
		}
	}
	if len(words) == 0 {
		return "other"
	}
	return strings.Join(words, " ")
}

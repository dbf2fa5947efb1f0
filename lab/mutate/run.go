//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// outcome is what became of a mutant.
type outcome struct {
	Killed   bool
	Compiled bool
	By       string        `json:",omitempty"` // what killed it: a test, or its time limit
	Time     time.Duration // that it took
	Tests    string        // identifies the tests that were run
}

// result is a mutant with its outcome.
type result struct {
	*mutant
	outcome
}

const (
	// grace is how long tests may take beyond a multiple of their ordinary
	// time, and their process beyond its own limit.
	grace = 10 * time.Second
	// slower is how many times as long as ordinarily tests may take.
	slower = 5
	// The memory in KiB and the size of a file in blocks that tests may have:
	// a mutant may ask for more and more of either.
	maxMemory, maxFile = 8 << 20, 4 << 20
)

// trial tries mutants.
type trial struct {
	*options
	out   io.Writer
	temp  string
	cache *cache

	mu    sync.Mutex
	suits map[string]*suite
}

// suite is the tests of one package, own or root.
type suite struct {
	dir    string
	run    string // regexp of the tests
	id     string // identifies the text of the tests
	normal time.Duration
	none   bool // there are no tests
}

// try returns the outcomes of mutants, in their order. It prints each.
func (o *options) try(ctx context.Context, mutants []*mutant, out io.Writer) ([]result, error) {
	c, err := openCache(o.cache, o.fresh)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	t := &trial{options: o, out: out, temp: temp, cache: c, suits: map[string]*suite{}}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]result, len(mutants))
	next := make(chan int)
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			for i := range next {
				outcome, err := t.mutant(ctx, mutants[i])
				if err != nil {
					cancel(fmt.Errorf("%s: %w", mutants[i].place(), err))
					return
				}
				results[i] = result{mutants[i], outcome}
				t.tell(i, results)
			}
		})
	}
feed:
	for i := range mutants {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	return results, context.Cause(ctx)
}

// tell prints an outcome.
func (t *trial) tell(i int, results []result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := results[i]
	verdict := "SURVIVED"
	if r.Killed {
		verdict = "killed by " + r.By
	} else if !r.Compiled {
		verdict = "does not compile"
	}
	fmt.Fprintf(t.out, "%d/%d %s %s: %s (%.1fs)\n", i+1, len(results), r.place(), r.kind, verdict, r.Time.Seconds())
}

// mutant returns what becomes of a mutant. Outcomes of earlier runs stand, but
// for mutants that have survived other tests than there are now.
func (t *trial) mutant(ctx context.Context, m *mutant) (outcome, error) {
	if m.broken != nil {
		return outcome{}, nil
	}
	suites, err := t.suites(ctx, m.pkg)
	if err != nil {
		return outcome{}, err
	}
	var ids []string
	for _, s := range suites {
		ids = append(ids, s.id)
	}
	tests := strings.Join(ids, " ")
	if old, ok := t.cache.get(m.id()); ok && (old.Killed || old.Tests == tests) {
		return old, nil
	}
	dir, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m)
	if err != nil {
		return outcome{}, err
	}
	started := time.Now()
	o := outcome{Compiled: true, Tests: tests}
	for _, s := range suites {
		if o.By, err = t.kill(ctx, s, dir, overlay); err != nil {
			return outcome{}, err
		} else if o.By != "" {
			o.Killed = true
			break
		}
	}
	o.Time = time.Since(started)
	return o, t.cache.put(m.id(), o)
}

func writeOverlay(dir string, m *mutant) (overlay string, err error) {
	changed := filepath.Join(dir, filepath.Base(m.source.path))
	if err := os.WriteFile(changed, m.text(), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{m.source.path: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// kill runs tests of a mutant and returns what has killed it; empty if nothing
// has. It is an error if the mutant cannot be built, as it was type-checked.
func (t *trial) kill(ctx context.Context, s *suite, dir, overlay string) (by string, err error) {
	if s.none {
		return "", nil
	}
	binary, err := build(ctx, s.dir, dir, overlay)
	if err != nil || binary == "" {
		return "", err
	}
	limit := t.limit
	if limit == 0 {
		limit = grace + slower*s.normal
	}
	return runTests(ctx, s, binary, dir, limit)
}

// suites returns the tests to run for a package: its own, and those of the root
// package that see it at work. They must pass without a change.
func (t *trial) suites(ctx context.Context, p *pkg) (all []*suite, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own, err := t.suite(ctx, p.dir, "")
	if err != nil {
		return nil, err
	}
	all = append(all, own)
	if root := t.rootFor(p.path); root != "" && p.dir != t.dir {
		s, err := t.suite(ctx, t.dir, root)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (t *trial) suite(ctx context.Context, dir, run string) (*suite, error) {
	key := dir + " " + run
	if s := t.suits[key]; s != nil {
		return s, nil
	}
	id, err := testsID(dir, run)
	if err != nil {
		return nil, err
	}
	s := &suite{dir: dir, run: run, id: id}
	temp, err := os.MkdirTemp(t.temp, "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	binary, err := build(ctx, dir, temp, "")
	if err != nil {
		return nil, err
	}
	if s.none = binary == ""; !s.none {
		started := time.Now()
		by, err := runTests(ctx, s, binary, temp, 10*time.Minute)
		if err != nil {
			return nil, err
		} else if by != "" {
			return nil, fmt.Errorf("%s: the tests fail without a change: %s", dir, by)
		}
		s.normal = time.Since(started)
	}
	t.suits[key] = s
	return s, nil
}

// build compiles the tests of a package. It returns no binary if there are none.
func build(ctx context.Context, dir, temp, overlay string) (binary string, err error) {
	binary = filepath.Join(temp, "tests")
	args := []string{"test", "-c", "-vet=off", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return binary, nil
}

// runTests returns the test that fails, or what else has ended the tests too
// early. They are in a process group of their own, with limits, and with a
// folder for temporary files that goes away with them.
func runTests(ctx context.Context, s *suite, binary, temp string, limit time.Duration) (by string, err error) {
	folder := filepath.Join(temp, "tmp")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	limited, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	script := fmt.Sprintf(`ulimit -v %d -f %d || exit 125; exec "$@"`, maxMemory, maxFile)
	cmd := exec.CommandContext(limited, "bash", "-c", script, "sh", binary,
		"-test.failfast", "-test.short", "-test.timeout="+limit.String(), "-test.run="+s.run)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+folder, "GOTRACEBACK=none")
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	err = cmd.Run()
	switch exit, ok := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err == nil:
		return "", nil
	case limited.Err() != nil || bytes.Contains(out.text, []byte("panic: test timed out")):
		return "the time limit", nil
	case ok && exit.ExitCode() == 125:
		return "", fmt.Errorf("cannot limit the tests: %s", out.text)
	case ok:
		return out.failure(), nil
	}
	return "", err
}

// tail keeps the last of what is written to it.
type tail struct{ text []byte }

const maxTail = 1 << 20

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if n := len(t.text) - maxTail; n > maxTail {
		t.text = bytes.Clone(t.text[n:])
	}
	return len(p), nil
}

var (
	failed   = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	panicked = regexp.MustCompile(`(?m)^(panic|fatal error): .*$`)
)

// failure returns the innermost test that has failed, or what else was wrong.
func (t *tail) failure() string {
	if all := failed.FindAllSubmatch(t.text, -1); all != nil {
		return string(all[len(all)-1][1])
	}
	if found := panicked.Find(t.text); found != nil {
		return string(found)
	}
	return "its exit status"
}

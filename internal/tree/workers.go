package tree

import (
	"context"
	"sync"

	"github.com/ftpnat/ftpnat/internal/trace"
)

// maxQueued is how many jobs may wait: as many as keep the workers busy while
// the next directories are listed.
const maxQueued = 256

// workers do the jobs of one copy over as many connections as there are to be
// had. The jobs come from one goroutine, which calls do for each and wait at the
// end. The first error that concerns more than one name ends all of it.
//
// A worker without a job has no connection: the pool opens one only for a job
// for which none is idle.
type workers struct {
	act    string          // what it is, for people
	ctx    context.Context // ends with the first error
	cancel context.CancelCauseFunc
	most   int        // number of workers
	room   func() int // number of connections to be had just now
	queue  chan func() error
	group  sync.WaitGroup

	mu    sync.Mutex
	count int
	err   error // the first that ends all
	out   outcome
}

func newWorkers(ctx context.Context, opts Options) *workers {
	w := &workers{act: "copy", most: opts.Most, room: opts.Room, queue: make(chan func() error, maxQueued)}
	w.ctx, w.cancel = context.WithCancelCause(trace.Serial(ctx))
	return w
}

// do has a job done. It returns the first error of all jobs so far, if there is
// one: the caller stops then. With one connection, which jobs and caller would
// only take from each other, the job is done before do returns.
func (w *workers) do(job func() error) error {
	if w.most == 1 {
		w.run(job)
		return w.failed()
	}
	w.mu.Lock()
	if w.count < min(w.most, w.room()) {
		w.count++
		w.group.Go(w.work)
	}
	w.mu.Unlock()
	w.queue <- job // there is a worker, and it goes on after an error too
	return w.failed()
}

// work does jobs until there are none, or more workers than the server takes
// connections.
func (w *workers) work() {
	for job := range w.queue {
		w.run(job)
		w.mu.Lock()
		spare := w.count > w.room()
		if spare {
			w.count--
		}
		w.mu.Unlock()
		if spare {
			return
		}
	}
}

// run does a job, unless one has ended all.
func (w *workers) run(job func() error) {
	if w.failed() == nil {
		w.fail(w.names(job()))
	}
}

// fail records the first error and ends everything else.
func (w *workers) fail(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	first := w.err == nil
	if first {
		w.err = err
	}
	w.mu.Unlock()
	if first {
		w.cancel(err)
	}
}

func (w *workers) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// wait returns the first error when all jobs are done, with those of single names.
// err is that of the caller, or nil.
func (w *workers) wait(err error) error {
	w.fail(err)
	close(w.queue)
	w.group.Wait()
	w.cancel(nil)
	return w.out.with(w.failed())
}

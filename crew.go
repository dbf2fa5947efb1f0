package ftpnat

import (
	"context"
	"sync"
)

// crewQueue is how many jobs of a crew may wait. It is as many as keep the
// workers busy while the next directories are listed.
const crewQueue = 256

// crew does the jobs of one copy over as many connections as the pool has to
// give. The jobs come from one goroutine, which calls do for each and wait at
// the end. The first error ends all of it.
//
// A worker without a job has no connection: the pool opens one only for a job
// that none is idle for.
type crew struct {
	ctx    context.Context // ends with the first error
	cancel context.CancelCauseFunc
	most   int        // workers that there may be
	room   func() int // connections to be had just now
	queue  chan func() error
	group  sync.WaitGroup

	mu      sync.Mutex
	workers int
	err     error // the first
}

func newCrew(f *FS, most int) *crew {
	c := &crew{most: most, room: f.p.room, queue: make(chan func() error, crewQueue)}
	c.ctx, c.cancel = context.WithCancelCause(context.WithValue(f.ctx, traceKey{}, inTurn(traceOf(f.ctx))))
	return c
}

// room returns how many connections the server is believed to take.
func (p *pool) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.limit, 1)
}

// do has a job done. It returns the crew's error where one has come up, and
// then the caller stops. With one connection, which jobs and caller would only
// take from one another, the job is done before do returns.
func (c *crew) do(job func() error) error {
	if c.most == 1 {
		c.run(job)
		return c.failed()
	}
	c.mu.Lock()
	if c.workers < min(c.most, c.room()) {
		c.workers++
		c.group.Go(c.work)
	}
	c.mu.Unlock()
	c.queue <- job // there is a worker, and it goes on after an error too
	return c.failed()
}

// work does jobs until there are none, or more workers than the server takes
// connections.
func (c *crew) work() {
	for job := range c.queue {
		c.run(job)
		c.mu.Lock()
		spare := c.workers > c.room()
		if spare {
			c.workers--
		}
		c.mu.Unlock()
		if spare {
			return
		}
	}
}

// run does a job, unless one has failed.
func (c *crew) run(job func() error) {
	if c.failed() == nil {
		c.fail(job())
	}
}

// fail takes down the first error and ends everything else.
func (c *crew) fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		c.cancel(err)
	}
}

func (c *crew) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// wait ends the crew when all jobs are done, and returns the first error. err
// is that of the caller, or nil.
func (c *crew) wait(err error) error {
	c.fail(err)
	close(c.queue)
	c.group.Wait()
	c.cancel(nil)
	return c.failed()
}

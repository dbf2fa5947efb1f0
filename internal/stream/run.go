// Package stream reads and writes files over connections that come and go: a
// transfer that stands idle lends its connection, and one that breaks goes on over
// another.
package stream

import (
	"context"
	"time"

	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Files are the files of a server, over the connections of a pool.
type Files struct {
	Pool     *pool.Pool[*session.Conn]
	Server   *remote.Server
	RetryFor time.Duration // limit of tries that get no further; negative means one try
}

// run is one transfer of a file, with the connection that it has.
type run struct {
	lease   *pool.Lease[*session.Conn]
	s       remote.Session
	t       *transfer.Transfer
	unguard func() bool // nil for nothing
	// yield ends the transfer for others: see pool.Lease.Park.
	yield   func(context.Context) bool
	verdict error         // of an upload, or a file that came whole, that yield has ended
	part    transfer.Part // of such a file
	over    bool          // yield has ended one
}

// start opens a transfer, which ends when ctx does.
func (f Files) start(ctx context.Context, open func(*remote.Session) (*transfer.Transfer, error)) (*run, error) {
	lease, err := f.Pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	r := &run{lease: lease, s: *f.on(lease)}
	if err = r.s.CatchUp(ctx); err == nil {
		r.t, err = open(&r.s)
	}
	if err != nil {
		lease.Release()
		return nil, err
	}
	t := r.t
	if !t.Closed() {
		r.unguard = t.Guard(ctx)
	}
	return r, nil
}

func (f Files) on(lease *pool.Lease[*session.Conn]) *remote.Session {
	return &remote.Session{Conn: lease.Conn(), Server: f.Server}
}

// release gives the connection back.
func (r *run) release() {
	r.lease.Release()
	r.forget()
}

// forget ends what was kept for the transfer, if the connection is another's.
func (r *run) forget() {
	if r.unguard != nil {
		r.unguard()
	}
}

// With calls fn with a connection.
func (f Files) With(ctx context.Context, fn func(*remote.Session) error) error {
	lease, err := f.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	s := f.on(lease)
	if err := s.CatchUp(ctx); err != nil {
		return err
	}
	return fn(s)
}

// meterEvery is how often Progress is called at most.
const meterEvery = 250 * time.Millisecond

// meter paces the reports of progress.
type meter struct {
	last time.Time
	off  bool // somebody else reports
}

func (m *meter) begin() {
	if m.last.IsZero() {
		m.last = time.Now()
	}
}

func (m *meter) moved(ctx context.Context, p trace.Progress, end bool) {
	h := trace.From(ctx)
	if h.Progress == nil || m.off || !end && time.Since(m.last) < meterEvery {
		return
	}
	m.last = time.Now()
	h.Progress(p)
}

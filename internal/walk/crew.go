package walk

import (
	"context"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Crew is who may list at the same time: the sessions on connections that nobody
// uses just now.
type Crew struct {
	Most int // how many there may be
	// Lend returns one of them and what gives it back; nil if there is none.
	// It does not wait.
	Lend func() (Session, func())
}

// each calls do for the numbers below n at the same time, each with a session, for
// as long as there are any. What is returned waits for them.
func (c Crew) each(ctx context.Context, w *Walk, n int, do func(l *lister, i int)) (wait func()) {
	var wg sync.WaitGroup
	for i := range min(n, c.Most) {
		s, done := c.Lend()
		if s == nil {
			break
		}
		wg.Go(func() {
			defer done()
			if s.CatchUp(ctx) == nil {
				do(&lister{w, s}, i)
			}
		})
	}
	return wg.Wait
}

// stat lists directories by STAT, each of the crew as many as go into a flight. What
// fails is asked again when it is needed.
func (c Crew) stat(ctx context.Context, w *Walk, dirs []string, drops int) (wait func()) {
	flights := (len(dirs) + windowMost - 1) / windowMost
	return c.each(ctx, w, flights, func(l *lister, i int) {
		got, err := l.statAll(ctx, dirs[i*windowMost:min((i+1)*windowMost, len(dirs))])
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.blameSTAT(err)
		case w.known() == proto.Yes:
			l.store(ctx, nil, got, drops)
		}
	})
}

// list lists what a walk needs after dir in the ordinary way, each of the crew one
// directory.
func (c Crew) list(ctx context.Context, w *Walk, dir string) (wait func()) {
	w.forecast.hit()
	dirs, drops := w.forecast.planOne(dir, c.Most)
	return c.each(ctx, w, len(dirs), func(l *lister, i int) {
		start, epoch := time.Now(), w.server.Epoch()
		entries, err := l.List(ctx, dirs[i])
		if err != nil && proto.Unread(err) == nil {
			return
		}
		d := l.ordinaryDir(dirs[i], entries, err)
		d.keep, d.took, d.epoch = !l.HasMLST(), time.Since(start), epoch
		w.forecast.store([]*Dir{d}, drops)
	})
}

package ftpnat

import "context"

// yield ends a download for others. It can go on from where it stands.
func (ch *channel) yield(ctx context.Context) bool {
	ch.abandon(ctx)
	return true
}

// park lets others have the connection of an upload.
func (s *sink) park() { s.ls.park(s.yield) }

// yielding returns what ends a transfer for others: the server's verdict on it
// is taken in. Who is not there to wait for that leaves it to the owner, whose
// context is given.
func (s *sink) yielding(owner context.Context, ls *lease, ch *channel) func(context.Context) bool {
	return func(ctx context.Context) bool {
		over := owner.Err()
		if s.fs.p.life.Err() != nil {
			over = ErrClosed
		}
		if over != nil {
			cutOff(ch.raw)
			ch.closeData()
			ls.l.sess.Drop(over)
			s.taken = over
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		// Who has no time must not cut the upload short.
		if err := ch.endData(context.WithoutCancel(ctx)); err != nil {
			s.taken = err
			return true
		}
		if err := ch.awaitVerdict(ctx, ch.l.verdictLimit()); err != nil && ctx.Err() != nil {
			return false
		}
		s.taken = ch.accepted(ctx)
		return true
	}
}

// accepted ends an upload, and returns why the server does not have it.
func (ch *channel) accepted(ctx context.Context) error {
	r, err := ch.finish(ctx)
	if err == nil && !r.completed() {
		err = replyError(ch.req.line, r)
	}
	return err
}

// ready sees to a transfer in use.
func (s *sink) ready(ctx context.Context) error {
	if s.ls != nil {
		going, err := s.regain(ctx)
		if going || err != nil {
			return err
		}
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return s.sendHeld(ctx)
}

// regain takes back the transfer that there was, and reports whether it goes
// on.
func (s *sink) regain(ctx context.Context) (bool, error) {
	ours, err := s.ls.unpark(ctx)
	switch {
	case ours && !s.ch.closed:
		return true, nil
	case ours:
		// It was ended for somebody who has not waited for the verdict.
		err = s.ch.accepted(ctx)
		s.release()
		return false, err
	}
	s.forget()
	if err == nil {
		err = s.taken
	}
	return false, err
}

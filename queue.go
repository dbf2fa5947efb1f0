package ftpnat

import "sync"

// queueing is what the sessions of one Dial or Open have seen of transfers with
// commands behind them.
type queueing struct {
	mu     sync.Mutex
	broken int  // such transfers that broke, in a row
	wary   bool // the last one did, and no transfer has ended well since
}

// maxBroken is how many transfers in a row may break with commands behind them.
// One may have broken for another reason.
const maxBroken = 2

// queues reports whether the server is known to keep a command that comes with
// the one that transfers until it has done with the transfer. On others it may
// cost the transfer, so that unknown means no. What cannot be mended where that
// is wrong is not put at risk on a server that is known by its words alone.
func (l *link) queues(req request) bool {
	q := l.cfg.queue
	q.mu.Lock()
	wary := q.wary
	q.mu.Unlock()
	switch {
	case wary, l.lesson.Queue == No, req.upload() && !req.early:
		return false
	case l.lesson.Queue == Yes:
		return true
	}
	program := l.software()
	return req.mends && program != unknownSoftware && program != pyftpdlib
}

// queued takes in how a transfer with commands behind it has ended.
func (l *link) queued(ok bool) {
	if l.sess.Mixed() {
		l.noQueue()
	}
	q := l.cfg.queue
	q.mu.Lock()
	if ok {
		q.broken = 0
	} else {
		q.broken++
		q.wary = true
	}
	broken := q.broken
	q.mu.Unlock()
	if broken >= maxBroken {
		l.noQueue()
	}
}

// unqueued takes in that a transfer without commands behind it has ended well.
func (l *link) unqueued() {
	q := l.cfg.queue
	q.mu.Lock()
	q.wary = false
	q.mu.Unlock()
}

// noQueue takes down that the server does not keep a command that is sent with
// one that transfers.
func (l *link) noQueue() {
	l.learnQueue(No, "the server does not keep commands until a transfer has ended")
}

func (l *link) learnQueue(f Finding, note string) {
	if l.lesson.Queue == f {
		return
	}
	l.note("%s", note)
	l.lesson.Queue = f
	l.keep()
}

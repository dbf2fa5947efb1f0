package path

import "sync"

// Queueing is what the sessions of one client have seen of transfers with
// commands behind them. Its zero value is ready, and it is safe for concurrent
// use.
type Queueing struct {
	mu     sync.Mutex
	broken int  // such transfers that broke, brokenCounts each, less those that did not
	wary   bool // the last one did, and no transfer has ended well since
}

// Two transfers in a row may break with commands behind them, because one may
// have broken for another reason; or more, with as many that went well in
// between that what is gained by those outweighs the loss.
const (
	brokenCounts = 4
	maxBroken    = 2 * brokenCounts
)

// Wary reports whether no commands are to be sent behind the next transfer.
func (q *Queueing) Wary() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.wary
}

// Ended records how a transfer with commands behind it has ended, and reports
// whether the server is not to be sent any more of them.
func (q *Queueing) Ended(ok bool) (givenUp bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ok {
		q.broken = max(q.broken-1, 0)
	} else {
		q.broken += brokenCounts
		q.wary = true
	}
	return q.broken >= maxBroken
}

// EndedPlainly records that a transfer without commands behind it has ended well.
func (q *Queueing) EndedPlainly() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wary = false
}

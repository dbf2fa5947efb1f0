package memnet

import (
	"container/heap"
	"sync"
	"time"
)

// An event is one thing that happens at one instant of the network's time.
type event struct {
	at    time.Duration
	seq   uint64
	index int
	fire  func()
}

// clock runs everything that takes time in a network: segments on the wire,
// deadlines, retransmissions. One goroutine fires the events in the order of
// their instants and, at one instant, in the order they were scheduled. Runtime
// timers would not do: under testing/synctest those of one instant fire in random order.
//
// The clock's lock is the one lock of the network; events fire with it held.
type clock struct {
	sync.Mutex
	start  time.Time
	events eventHeap
	seq    uint64
	kick   chan struct{} // the earliest event changed
	quit   chan struct{}
	done   chan struct{}
}

func (c *clock) init() {
	c.start = time.Now()
	c.kick = make(chan struct{}, 1)
	c.quit = make(chan struct{})
	c.done = make(chan struct{})
}

// now returns the time since the network was made.
func (c *clock) now() time.Duration { return time.Since(c.start) }

// after schedules fire in d from now. The lock is held.
func (c *clock) after(d time.Duration, fire func()) *event {
	c.seq++
	e := &event{at: c.now() + d, seq: c.seq, fire: fire}
	heap.Push(&c.events, e)
	if e.index == 0 {
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
	return e
}

// cancel removes e if it has not fired; nil is allowed. The lock is held.
func (c *clock) cancel(e *event) {
	if e != nil && e.index >= 0 {
		heap.Remove(&c.events, e.index)
	}
}

// run fires events until quit is closed.
func (c *clock) run() {
	defer close(c.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if wait, some := c.fireDue(); some {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-c.kick:
		case <-c.quit:
			return
		}
	}
}

// fireDue fires what is due and returns the time until the next event, if there is some.
func (c *clock) fireDue() (wait time.Duration, some bool) {
	c.Lock()
	defer c.Unlock()
	for len(c.events) > 0 {
		if wait := c.events[0].at - c.now(); wait > 0 {
			return wait, true
		}
		heap.Pop(&c.events).(*event).fire()
	}
	return 0, false
}

type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}

func (h eventHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *eventHeap) Push(x any) {
	e := x.(*event)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	return e
}

//go:build linux

package delay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// Limits of a wire.
const (
	mtu         = 1500
	deviceQueue = 10000   // packets that the kernel keeps for us
	wireQueue   = 1 << 15 // packets on their way, in each direction
	recordLimit = 1 << 20 // packets in a record
)

// Wire is a link that takes half of its round trip for a packet, whatever its
// size and how many there are. It loses none and keeps their order.
type Wire struct {
	RTT time.Duration

	client, server *os.File
	pumps          sync.WaitGroup

	mu     sync.Mutex
	hops   [2]int // the counts of the client and of the server
	record Record
	err    error // why a pump ended
}

// The sides, as indices.
const (
	clientEnd = iota
	serverEnd
)

// Lay connects the two of a pair. Close the wire before the pair.
func Lay(ctx context.Context, p *netns.Pair, rtt time.Duration) (*Wire, error) {
	w := &Wire{RTT: rtt}
	var err error
	if w.client, err = openTUN(p.Client); err != nil {
		return nil, err
	}
	if w.server, err = openTUN(p.Server); err != nil {
		return nil, errors.Join(err, w.client.Close())
	}
	if err := w.configure(ctx, p); err != nil {
		return nil, errors.Join(err, w.client.Close(), w.server.Close())
	}
	w.pump(w.client, w.server, true)
	w.pump(w.server, w.client, false)
	return w, nil
}

func (w *Wire) configure(ctx context.Context, p *netns.Pair) error {
	line := fmt.Sprintf("link set %s mtu %d txqueuelen %d\n", device, mtu, deviceQueue)
	for _, n := range []*netns.Namespace{p.Client, p.Server} {
		if _, err := n.Run(ctx, line, "ip", "-batch", "-"); err != nil {
			return err
		}
	}
	return p.Address(ctx, device)
}

// Close removes the wire and reports whether it has worked until now.
func (w *Wire) Close() error {
	err := errors.Join(w.client.Close(), w.server.Close())
	w.pumps.Wait()
	return errors.Join(w.err, err)
}

// Reset begins a new record.
func (w *Wire) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record = Record{base: w.hops[clientEnd]}
}

// Record returns what has crossed since the last Reset.
func (w *Wire) Record() Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.record
	r.Packets = slices.Clone(r.Packets)
	return r
}

// parcel is a packet on its way.
type parcel struct {
	data []byte
	due  time.Duration
	tcp  bool
	info Packet
}

// pump carries packets in one direction until a device is closed.
func (w *Wire) pump(from, to *os.File, toServer bool) {
	queue := make(chan parcel, wireQueue)
	w.pumps.Go(func() {
		defer close(queue)
		w.ended(w.read(from, queue, toServer))
	})
	w.pumps.Go(func() {
		w.ended(w.deliver(to, queue))
		for range queue { // the reader is not to stand still
		}
	})
}

// ended keeps the first error that is not the end of the wire itself.
func (w *Wire) ended(err error) {
	if err == nil || errors.Is(err, os.ErrClosed) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

func (w *Wire) read(from *os.File, queue chan<- parcel, toServer bool) error {
	buf := make([]byte, mtu)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return err
		}
		queue <- w.send(slices.Clone(buf[:n]), toServer)
	}
}

// send notes that a packet has been sent.
func (w *Wire) send(data []byte, toServer bool) parcel {
	now := Now()
	p := parcel{data: data, due: now + w.RTT/2}
	p.info, p.tcp = segment(data, toServer)
	from, _ := ends(toServer)
	w.mu.Lock()
	defer w.mu.Unlock()
	p.info.Sent, p.info.Hops = now, w.hops[from]
	return p
}

// deliver writes packets when they are due. It has a thread of its own that
// goes before others, so that a busy machine does not make the wire longer.
func (w *Wire) deliver(to *os.File, queue <-chan parcel) error {
	runtime.LockOSThread() // and never unlocked: the thread is not for others
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	for p := range queue {
		sleepUntil(p.due)
		w.arrive(p)
		if _, err := to.Write(p.data); err != nil {
			return err
		}
	}
	return nil
}

// arrive notes that a packet is there, before its receiver can answer it.
func (w *Wire) arrive(p parcel) {
	if !p.tcp {
		return
	}
	_, to := ends(p.info.ToServer)
	p.info.Arrived = Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hops[to] = max(w.hops[to], p.info.Hops+1)
	if len(w.record.Packets) < recordLimit {
		w.record.Packets = append(w.record.Packets, p.info)
	}
}

func ends(toServer bool) (from, to int) {
	if toServer {
		return clientEnd, serverEnd
	}
	return serverEnd, clientEnd
}

package memnet

import (
	"context"
	"net"
)

// AwaitAck waits until the peer's host has acknowledged the end of the stream that
// CloseWrite sent, as a close does that lingers. The acknowledgement comes one round
// trip after that end, whether or not the peer reads or closes.
func (c *Conn) AwaitAck(ctx context.Context) error {
	if err := c.awaitAck(ctx); err != nil {
		return opError("close", c.LocalAddr(), c.RemoteAddr(), err)
	}
	return nil
}

func (c *Conn) awaitAck(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.net.Lock()
		defer c.net.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.net.Lock()
	defer c.net.Unlock()
	for {
		switch {
		case c.out.acked:
			return nil
		case c.closed:
			return net.ErrClosed
		case c.fault != 0:
			return c.fault
		case ctx.Err() != nil:
			return ctx.Err()
		}
		c.changed.Wait()
	}
}

// Buffered returns the number of bytes that have arrived and not been read.
func (c *Conn) Buffered() int {
	c.net.Lock()
	defer c.net.Unlock()
	return c.in.unread
}

// acknowledgeEnd sends the acknowledgement of a FIN that one end has received.
func (f *flow) acknowledgeEnd(from End) {
	if f.mute(from) {
		return
	}
	peer := f.ends[from.other()]
	f.net.after(f.latency, func() {
		peer.out.acked = peer.out.shut || peer.closed
		peer.changed.Broadcast()
	})
}

// refreshed is a filter that forgets a connection which is idle.
type refreshed interface{ refresh() }

// acknowledgeData is the acknowledgement of data that one end's program has read.
// It carries nothing, but the boxes on its way see that the connection is in use.
func (f *flow) acknowledgeData() {
	for _, h := range f.hops {
		if r, ok := h.filter.(refreshed); ok && !h.dead {
			r.refresh()
		}
	}
}

package ftptest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// cutLinger is how long a connection that was cut still takes the client's
// bytes, so that a reset for unread bytes does not overtake the end of stream.
const cutLinger = time.Second

// errEnded is what the server itself sees of a connection that a fault, a script
// or Close ended.
var errEnded = errors.New("ftptest: connection ended")

// wire is a connection of the server, control or data, below any TLS. It counts
// bytes and ends as its faults and the script say.
type wire struct {
	net.Conn
	srv    *Server
	index  int // of the connection on its channel
	faults []Fault

	mu             sync.Mutex
	sent, received int64
	ended          Ending
	eof            bool          // the client ended its side of the stream
	closed         chan struct{} // closed when the server is done with the connection
	gone           chan struct{} // closed when the socket is
	closeOnce      sync.Once
	goneOnce       sync.Once
}

// wrap takes over a connection. It reports false, and closes the connection, if
// the server is closing.
func (s *Server) wrap(conn net.Conn, on Channel, index int) (*wire, bool) {
	w := &wire{Conn: conn, srv: s, index: index, closed: make(chan struct{}), gone: make(chan struct{})}
	for _, f := range s.Faults {
		if f.matches(on, index) {
			w.faults = append(w.faults, f)
		}
	}
	if !s.track(w) {
		w.kill()
		return nil, false
	}
	return w, true
}

// arm sets off the faults that are due before the first byte.
func (w *wire) arm() {
	w.count(Sent, 0)
	w.count(Received, 0)
}

// room returns how many of n bytes may pass before a fault.
func (w *wire) room(dir Direction, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if f.Dir == dir {
			n = int(min(int64(n), f.After-w.passed(dir)))
		}
	}
	return max(n, 0)
}

func (w *wire) passed(dir Direction) int64 {
	if dir == Sent {
		return w.sent
	}
	return w.received
}

// count adds n bytes and sets off the fault that is due.
func (w *wire) count(dir Direction, n int) {
	w.mu.Lock()
	if dir == Sent {
		w.sent += int64(n)
	} else {
		w.received += int64(n)
	}
	kind := Keep
	for _, f := range w.faults {
		if f.Dir == dir && w.passed(dir) >= f.After {
			kind = f.Kind
		}
	}
	w.mu.Unlock()
	w.end(kind)
}

// totals returns the bytes sent and received so far.
func (w *wire) totals() (sent, received int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent, w.received
}

// atEOF reports whether the client was seen to end its side of the stream.
func (w *wire) atEOF() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.eof
}

func (w *wire) state() Ending {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// end ends the connection in the given way; only the first time counts.
func (w *wire) end(kind Ending) {
	w.mu.Lock()
	if kind == Keep || w.ended != Keep {
		w.mu.Unlock()
		return
	}
	w.ended = kind
	w.mu.Unlock()
	switch kind {
	case Reset:
		if l, ok := w.Conn.(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // without it the connection is closed in order
		}
		w.kill()
	case Cut, Drained:
		c, ok := w.Conn.(interface{ CloseWrite() error })
		if !ok || c.CloseWrite() != nil {
			w.kill()
			return
		}
		w.srv.start(func() {
			timer := time.AfterFunc(cutLinger, func() { _ = w.Conn.Close() })
			defer timer.Stop()
			w.drain()
		})
	case Silence:
		w.srv.start(w.drain)
	}
}

// drain loses what the client sends until it closes.
func (w *wire) drain() {
	_, _ = io.Copy(io.Discard, w.Conn)
	w.kill()
}

// kill closes the socket whatever its state.
func (w *wire) kill() {
	w.goneOnce.Do(func() {
		_ = w.Conn.Close()
		close(w.gone)
		w.srv.untrack(w)
	})
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if kind := w.state(); kind != Keep {
		return 0, w.wait(kind)
	}
	n, err := w.Conn.Read(p[:w.room(Received, len(p))])
	if kind := w.state(); kind != Keep && (kind != Drained || n == 0) {
		return 0, w.wait(kind)
	}
	if errors.Is(err, io.EOF) {
		w.mu.Lock()
		w.eof = true
		w.mu.Unlock()
	}
	w.count(Received, n)
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		switch kind := w.state(); kind {
		case Keep:
		case Drained:
			return len(p), nil
		default:
			return done, w.wait(kind)
		}
		n, err := w.Conn.Write(p[done : done+w.room(Sent, len(p)-done)])
		done += n
		w.count(Sent, n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// wait returns the error of a call on an ended connection. A silent connection
// answers nobody, the server included: the call lasts until either side closes.
func (w *wire) wait(kind Ending) error {
	switch kind {
	case Drained:
		return io.EOF
	case Silence:
		select {
		case <-w.closed:
		case <-w.gone:
		}
	}
	return errEnded
}

// CloseWrite ends the server's side of the stream where the network can.
func (w *wire) CloseWrite() error {
	c, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok || w.state() != Keep {
		return nil
	}
	return c.CloseWrite()
}

// Close implements net.Conn. A connection that was cut or silenced stays as the
// client sees it.
func (w *wire) Close() error {
	w.closeOnce.Do(func() { close(w.closed) })
	if w.state() == Keep {
		w.kill()
	}
	return nil
}

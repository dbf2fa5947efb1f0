package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestPeek waits for the first bytes and hands them on.
func TestPeek(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
		server.Write([]byte("hello"))
		server.Close()
		if got := <-c.Peek(); got.N != 5 {
			t.Fatalf("%+v", got)
		}
		if c.Count() != 0 || c.Buffered() != 5 {
			t.Errorf("%d bytes are counted that nobody has read, %d buffered", c.Count(), c.Buffered())
		}
		all, err := io.ReadAll(c)
		if string(all) != "hello" || err != nil || c.Count() != 5 || !c.Ended() {
			t.Errorf("%q, %v, %d bytes, ended %v", all, err, c.Count(), c.Ended())
		}
	})
}

// TestPeekEnds has the wait end without a byte, each way that it may.
func TestPeekEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		do    func(c *Conn, server net.Conn)
		want  func(error) bool
		after time.Duration
	}{
		"the server closes":  {func(_ *Conn, server net.Conn) { server.Close() }, func(err error) bool { return err == io.EOF }, rtt / 2},
		"the server resets":  {func(_ *Conn, server net.Conn) { cutOff(server); server.Close() }, isReset, rtt / 2},
		"nobody does":        {func(*Conn, net.Conn) {}, proto.IsTimeout, Stall},
		"the limit is moved": {func(c *Conn, _ net.Conn) { c.ReadWithin(time.Second) }, proto.IsTimeout, time.Second},
		"we close":           {func(c *Conn, _ net.Conn) { c.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
				start := time.Now()
				peeked := c.Peek()
				synctest.Wait()
				tt.do(c, server)
				got := <-peeked
				if took := time.Since(start); got.N != 0 || !tt.want(got.Err) || took != tt.after {
					t.Errorf("%+v after %v, want %v", got, took, tt.after)
				}
			})
		})
	}
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// TestPeekThenReset keeps the reset for the Read after the last byte: a kernel
// reports it once.
func TestPeekThenReset(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
		server.Write([]byte("hello"))
		<-c.Peek()
		cutOff(server)
		server.Close()
		all, err := io.ReadAll(c)
		if string(all) != "hello" || !isReset(err) {
			t.Errorf("%q, %v", all, err)
		}
		if _, again := c.Read(make([]byte, 1)); !isReset(again) {
			t.Errorf("once more: %v", again)
		}
	})
}

// TestStandsStill tells a connection that stands still from a caller's limit.
func TestStandsStill(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, _ net.Conn) {
		start := time.Now()
		c.SetDeadline(start.Add(time.Second))
		if _, err := c.Read(make([]byte, 1)); !proto.IsTimeout(err) || errors.Is(err, proto.ErrStalled) {
			t.Errorf("a caller's limit: %v", err)
		}
		c.SetDeadline(time.Time{})
		start = time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, proto.ErrStalled) || time.Since(start) != Stall {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestDeadlineInProgress moves the limit of a Read in progress.
func TestDeadlineInProgress(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, _ net.Conn) {
		start := time.Now()
		timer := time.AfterFunc(time.Second, func() { c.SetDeadline(time.Now()) })
		defer timer.Stop()
		if _, err := c.Read(make([]byte, 1)); !proto.IsTimeout(err) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestSlowUpload limits how long a Write stands still, and not how long it takes.
func TestSlowUpload(t *testing.T) {
	inBubble(t, Upload, func(t *testing.T, c *Conn, server net.Conn) {
		const size = 3 << 20
		done := make(chan int, 1)
		go func() {
			total, buf := 0, make([]byte, 256<<10)
			for total < size {
				time.Sleep(Stall / 8)
				n, err := server.Read(buf)
				if total += n; err != nil {
					break
				}
			}
			done <- total
		}()
		start := time.Now()
		n, err := c.Write(make([]byte, size))
		if took := time.Since(start); took < Stall {
			t.Errorf("took only %v: this shows nothing", took)
		}
		if n != size || err != nil || c.Count() != size {
			t.Errorf("%d bytes, %v; counted %d", n, err, c.Count())
		}
		if got := <-done; got != size {
			t.Errorf("%d bytes came", got)
		}
	})
}

// TestGuard aborts what is in progress when the context ends. What the server
// has of an upload does not look complete.
func TestGuard(t *testing.T) {
	for _, dir := range []Direction{Download, Upload} {
		inBubble(t, dir, func(t *testing.T, c *Conn, server net.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			defer c.Guard(ctx)()
			timer := time.AfterFunc(time.Second, cancel)
			defer timer.Stop()
			if dir == Upload {
				c.Write([]byte("half"))
			} else if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
			_, err := io.Copy(io.Discard, server)
			if reset := isReset(err); reset != (dir == Upload) {
				t.Errorf("upload %v: the server sees %v", dir, err)
			}
			if c.Closed() {
				t.Error("Close is still the owner's to call")
			}
		})
	}
}

// TestClose closes once, and what is no connection not at all.
func TestClose(t *testing.T) {
	inBubble(t, Upload, func(t *testing.T, c *Conn, server net.Conn) {
		closed := 0
		c.OnClose(func() { closed++ })
		c.Write([]byte("half"))
		c.Reset()
		c.Close()
		if closed != 1 {
			t.Errorf("OnClose: called %d times", closed)
		}
		if _, err := io.Copy(io.Discard, server); !isReset(err) {
			t.Errorf("the server sees %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, proto.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, proto.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
	var none *Conn
	none.Close()
}

// TestEmpty reads nothing where there is nothing.
func TestEmpty(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, _ net.Conn) {
		c.Empty()
		c.Close()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// TestPeekSoon waits for a moment without a goroutine, on a socket: what ended the
// connection is told once, and must not be lost.
func TestPeekSoon(t *testing.T) {
	for name, tt := range map[string]struct {
		do    func(server net.Conn)
		want  func(Peeked) bool
		ended bool
	}{
		"bytes":              {func(server net.Conn) { server.Write([]byte("hello")) }, func(got Peeked) bool { return got.N == 5 && got.Err == nil }, true},
		"nothing":            {func(net.Conn) {}, func(got Peeked) bool { return got.N == 0 }, false},
		"the server closes":  {func(server net.Conn) { server.Close() }, func(got Peeked) bool { return got.N == 0 && got.Err == io.EOF }, true},
		"the server resets":  {func(server net.Conn) { cutOff(server); server.Close() }, func(got Peeked) bool { return got.N == 0 && isReset(got.Err) }, true},
		"it was closed here": {nil, func(got Peeked) bool { return errors.Is(got.Err, net.ErrClosed) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			nc, server := sockets(t)
			c := New(nc, Download)
			defer c.Close()
			if tt.do == nil {
				nc.Close()
			} else {
				tt.do(server)
			}
			got, ended := c.PeekSoon()
			if tt.ended {
				if !ended { // the moment was over before it began
					got = <-c.Peek()
				}
				if !tt.want(got) {
					t.Errorf("%+v, ended %v", got, ended)
				}
				return
			}
			if ended || !tt.want(got) || c.Buffered() != 0 {
				t.Errorf("%+v, ended %v", got, ended)
			}
			server.Write([]byte("late"))
			if got := <-c.Peek(); got.N != 4 {
				t.Errorf("later: %+v", got)
			}
		})
	}
}

// TestWriteSoon has the other end not read: what was written before the moment was
// over counts, and Write goes on behind it.
func TestWriteSoon(t *testing.T) {
	nc, server := sockets(t)
	c := New(nc, Upload)
	defer c.Close()
	body := make([]byte, 32<<20)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	n, err := c.WriteSoon(body)
	if !proto.IsTimeout(err) || n == len(body) || c.Count() != int64(n) {
		t.Fatalf("%d bytes, %d counted, %v", n, c.Count(), err)
	}
	done := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(server)
		done <- all
	}()
	if _, err := c.Write(body[n:]); err != nil || c.Count() != int64(len(body)) {
		t.Errorf("%d counted, %v", c.Count(), err)
	}
	c.Close()
	if got := <-done; !bytes.Equal(got, body) {
		t.Errorf("%d other bytes", len(got))
	}
}

// sockets returns both ends of a connection of the system.
func sockets(t *testing.T) (ours, theirs net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ours, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

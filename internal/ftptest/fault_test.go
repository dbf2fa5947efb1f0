package ftptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialogue plays a fixed session and returns what the client received.
func dialogue(addr string) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "USER u\r\nPASS p\r\nPWD\r\nQUIT\r\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

func TestControlCutAtEveryByte(t *testing.T) {
	whole := &Server{}
	text, err := dialogue(serve(t, whole))
	check(t, err)
	check(t, whole.Close())
	d := whole.Transcript()[0]
	if int64(len(text)) != d.Sent || d.Sent == 0 || d.Received == 0 {
		t.Fatalf("%d bytes, counted %d and %d", len(text), d.Sent, d.Received)
	}
	for n := range d.Sent {
		s := &Server{Faults: []Fault{{Dir: Sent, After: n, Kind: Cut}}}
		got, err := dialogue(serve(t, s))
		check(t, s.Close())
		if err != nil || got != text[:n] {
			t.Errorf("after %d: got %q, %v", n, got, err)
		}
		if got := s.Transcript()[0].Sent; got != n {
			t.Errorf("after %d: counted %d", n, got)
		}
	}
	for n := range d.Received {
		s := &Server{Faults: []Fault{{Dir: Received, After: n, Kind: Cut}}}
		got, err := dialogue(serve(t, s))
		check(t, s.Close())
		if err != nil || !strings.HasPrefix(text, got) || got == text {
			t.Errorf("after %d received: got %q, %v", n, got, err)
		}
		if got := s.Transcript()[0].Received; got != n {
			t.Errorf("after %d: counted %d", n, got)
		}
	}
}

func TestControlReset(t *testing.T) {
	s := &Server{Faults: []Fault{{Conn: 2, Dir: Received, After: 8, Kind: Reset}}}
	addr := serve(t, s)
	if _, err := dialogue(addr); err != nil {
		t.Errorf("first connection: %v", err)
	}
	if _, err := dialogue(addr); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("second connection: %v", err)
	}
}

func TestDataFaults(t *testing.T) {
	for _, kind := range []Ending{Cut, Reset} {
		for n := range int64(12) {
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				s := &Server{Tree: sampleTree(t), Faults: []Fault{{On: Data, Conn: 2, Dir: Sent, After: n, Kind: kind}}}
				c := connect(t, serve(t, s))
				c.do("TYPE I")
				if data, _, last := c.retr("RETR hello.txt"); data != "hello\nworld\n" || last[:3] != "226" {
					t.Errorf("first: %q, %q", data, last)
				}
				data, _, last := c.retr("RETR hello.txt")
				if kind == Cut && data != "hello\nworld\n"[:n] {
					t.Errorf("got %q", data)
				}
				if kind == Reset && !strings.HasPrefix(data, "error: ") {
					t.Errorf("got %q, want a reset", data)
				}
				if last != "426 Connection closed; transfer aborted." {
					t.Errorf("closing reply %q", last)
				}
				if got := s.DataConns(); len(got) != 2 || got[1].Sent != n || !got[1].Passive {
					t.Errorf("data connections: %+v", got)
				}
			})
		}
	}
}

func TestUploadCutKeepsPart(t *testing.T) {
	s := &Server{Faults: []Fault{{On: Data, Dir: Received, After: 3, Kind: Cut}}}
	c := connect(t, serve(t, s))
	c.do("TYPE I")
	conn := c.epsv()
	c.do("STOR part")
	_, err := io.WriteString(conn, "abcdef")
	check(t, err)
	c.wantReply("426 Connection closed; transfer aborted.")
	if got, _ := s.Tree.ReadFile("part"); string(got) != "abc" {
		t.Errorf("stored %q", got)
	}
}

func TestDataSilence(t *testing.T) {
	s := &Server{Faults: []Fault{{On: Data, Dir: Sent, After: 4, Kind: Silence}}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		c.do("TYPE I")
		conn, err := n.Dial(t.Context(), pipeClient, "tcp", fmt.Sprintf("192.0.2.1:%d", c.epsvPort()))
		check(t, err)
		c.do("RETR hello.txt")
		check(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
		got, err := io.ReadAll(conn)
		var timeout net.Error
		if string(got) != "hell" || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("got %q, %v", got, err)
		}
		check(t, conn.Close())
		c.wantReply("426 Connection closed; transfer aborted.")
	})
}

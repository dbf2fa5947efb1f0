//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// cuts says how often connections are cut; none if zero.
type cuts struct {
	bytes    float64 // data connections: bytes from one cut to the next, on average
	commands float64 // control connections: commands from one cut to the next, on average
}

// gate stands before a server. It counts the commands, and cuts connections.
type gate struct {
	server string
	cuts   cuts
	l      net.Listener
	count  atomic.Int64
	broken atomic.Int64

	mu     sync.Mutex
	random *rand.Rand
}

func newGate(server string, c cuts) (*gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{server: server, cuts: c, l: l, random: rand.New(rand.NewPCG(1, 2))}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.control(c)
		}
	}()
	return g, nil
}

// draw returns how much passes until the next cut.
func (g *gate) draw(mean float64) int64 {
	if mean == 0 {
		return 1 << 62
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return 1 + int64(g.random.ExpFloat64()*mean)
}

// cut resets connections.
func (g *gate) cut(conns ...net.Conn) {
	g.broken.Add(1)
	for _, c := range conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (g *gate) control(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		for in := bufio.NewReader(server); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if _, err := io.WriteString(client, g.reply(line)); err != nil {
				return
			}
		}
	}()
	left := g.draw(g.cuts.commands)
	for in := bufio.NewReader(client); ; left-- {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		g.count.Add(1)
		if left == 0 {
			g.cut(client, server)
			return
		}
		if _, err := io.WriteString(server, line); err != nil {
			return
		}
	}
}

var (
	extended = regexp.MustCompile(`^229 .*\(\|\|\|(\d+)\|\)`)
	passive  = regexp.MustCompile(`^227 .*?(\d+),(\d+)\)?\.?\s*$`)
)

// reply has passive data connections lead through the gate.
func (g *gate) reply(line string) string {
	port := 0
	if m := extended.FindStringSubmatch(line); m != nil {
		port, _ = strconv.Atoi(m[1])
	} else if m := passive.FindStringSubmatch(line); m != nil {
		high, _ := strconv.Atoi(m[1])
		low, _ := strconv.Atoi(m[2])
		port = high<<8 | low
	}
	if port == 0 {
		return line
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return line
	}
	go g.data(l.(*net.TCPListener), fmt.Sprintf("127.0.0.1:%d", port))
	ours := l.Addr().(*net.TCPAddr).Port
	if line[:3] == "229" {
		return fmt.Sprintf("229 Extended passive (|||%d|)\r\n", ours)
	}
	return fmt.Sprintf("227 Passive (127,0,0,1,%d,%d)\r\n", ours>>8, ours&255)
}

func (g *gate) data(l *net.TCPListener, addr string) {
	l.SetDeadline(time.Now().Add(time.Minute))
	client, err := l.Accept()
	l.Close()
	if err != nil {
		return
	}
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	left := g.draw(g.cuts.bytes)
	done := make(chan struct{})
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			defer func() { done <- struct{}{} }()
			if n, _ := io.CopyN(way[1], way[0], left); n == left {
				g.cut(client, server)
				return
			}
			way[1].(*net.TCPConn).CloseWrite()
		}()
	}
	<-done
	<-done
}

//go:build linux

package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
)

// bareWorker transfers at an FTP server with as little of a client as that
// takes: three lines and a copy by the shortest way that there is, which is the
// kernel's in the clear. It has the same server as the others at its other end,
// since that has its part in what a transfer costs.
type bareWorker struct {
	host   string
	text   *textproto.Conn
	config *tls.Config // nil in the clear
}

func (job Job) bareWorker(ctx context.Context, u *url.URL) (worker, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, err
	}
	w := &bareWorker{host: u.Hostname(), text: textproto.NewConn(conn), config: job.Settings.tlsFor(u)}
	if err := w.login(conn, u.User); err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

func (w *bareWorker) login(conn net.Conn, user *url.Userinfo) error {
	if _, _, err := w.text.ReadResponse(220); err != nil {
		return err
	}
	if w.config != nil {
		if _, err := w.command(234, "AUTH TLS"); err != nil {
			return err
		}
		w.text = textproto.NewConn(tls.Client(conn, w.config))
	}
	type exchange struct {
		want int
		line string
	}
	password, _ := user.Password()
	dialogue := []exchange{{331, "USER " + user.Username()}, {230, "PASS " + password}, {200, "TYPE I"}}
	if w.config != nil {
		dialogue = append(dialogue, exchange{200, "PBSZ 0"}, exchange{200, "PROT P"})
	}
	for _, e := range dialogue {
		if _, err := w.command(e.want, e.line); err != nil {
			return err
		}
	}
	return nil
}

func (w *bareWorker) command(want int, line string) (string, error) {
	if err := w.text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, message, err := w.text.ReadResponse(want)
	return message, err
}

func (w *bareWorker) close() error { return w.text.Close() }

// with does a transfer: it sends the command, has use read or write the data
// connection, and waits for the server's verdict.
func (w *bareWorker) with(line string, use func(net.Conn) error) error {
	message, err := w.command(229, "EPSV")
	if err != nil {
		return err
	}
	var port int
	if _, err := fmt.Sscanf(message, "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
		return fmt.Errorf("%q: %w", message, err)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(w.host, fmt.Sprint(port)))
	if err != nil {
		return err
	}
	if _, err := w.command(150, line); err != nil {
		return errors.Join(err, conn.Close())
	}
	if w.config != nil {
		conn = tls.Client(conn, w.config)
	}
	if err := errors.Join(use(conn), conn.Close()); err != nil {
		return err
	}
	_, _, err = w.text.ReadResponse(226)
	return err
}

// transfer reads a small file, which shows that the session is up.
func (w *bareWorker) transfer(_ int, _ Action, name string, _ []byte) (got []byte, err error) {
	err = w.with("RETR "+name, func(conn net.Conn) error {
		got, err = io.ReadAll(conn)
		return err
	})
	return got, err
}

func (w *bareWorker) walk(bool) ([]string, error) { return nil, errors.ErrUnsupported }

func (w *bareWorker) bulk(a Action, name, local string) error {
	if a == Upload {
		from, err := os.Open(local)
		if err != nil {
			return err
		}
		defer from.Close()
		return w.with("STOR "+name, func(conn net.Conn) error { return send(conn, from) })
	}
	to, err := target(local)
	if err != nil {
		return err
	}
	err = w.with("RETR "+name, func(conn net.Conn) error {
		_, err := io.Copy(to, conn)
		return err
	})
	return errors.Join(err, to.Close())
}

// send sends the file and waits until the other end has closed too: a TLS
// server sends tickets, and a connection that is closed with those unread is
// reset.
func send(conn net.Conn, from *os.File) error {
	if _, err := io.Copy(conn, from); err != nil {
		return err
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

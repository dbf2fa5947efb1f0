//go:build linux

package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/jlaffaye/ftp"
)

// jlaffaye does the job with jlaffaye/ftp as it is. It has no context and no
// limit for anything after its first dial, so its dials end with ctx and its
// control connection is closed then.
func (job Job) jlaffaye(ctx context.Context, u *url.URL, r *Result) error {
	var mu sync.Mutex
	var control net.Conn
	dial := func(network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && control == nil {
			control = conn
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
	err := job.overJlaffaye(u, r, dial)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// overJlaffaye does the job with jlaffaye/ftp over a dial function.
func (job Job) overJlaffaye(u *url.URL, r *Result, dial func(network, addr string) (net.Conn, error)) error {
	var dialogue bytes.Buffer
	defer func() { r.Trace = append(r.Trace, strings.Split(dialogue.String(), "\r\n")...) }()
	conn, err := ftp.Dial(hostPort(u), ftp.DialWithDialFunc(dial), ftp.DialWithDebugOutput(&dialogue))
	if err != nil {
		return err
	}
	defer conn.Quit()
	password, _ := u.User.Password()
	if err := conn.Login(u.User.Username(), password); err != nil {
		return err
	}
	entries, err := conn.List("")
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.Names = append(r.Names, e.Name)
	}
	if err := job.retrieve(conn, r); err != nil {
		return err
	}
	return conn.Stor(job.Upload, bytes.NewReader(Payload(job.Seed, job.Size)))
}

// retrieve downloads; the verdict of the server comes at Close.
func (job Job) retrieve(conn *ftp.ServerConn, r *Result) error {
	body, err := conn.Retr(job.Download)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	r.Downloaded = Sum(data)
	return nil
}

// hostPort returns the address of the control connection.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	port := "21"
	if u.Scheme == "ftps" {
		port = "990"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

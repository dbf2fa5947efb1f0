//go:build linux

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/delay"
)

// fs does the job through ftpnat's own API.
func (job Job) fs(ctx context.Context, u *url.URL, r *Result) error {
	d, err := job.Settings.dialer(u)
	if err != nil {
		return err
	}
	ctx = traced(ctx, r)
	start := time.Now()
	opened, err := d.Open(ctx, job.URL)
	if err != nil {
		return err
	}
	defer opened.Close()
	fsys := opened.WithContext(ctx)
	entries, err := fs.ReadDir(fsys, ".")
	r.Listed = time.Since(start)
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.Names = append(r.Names, e.Name())
	}
	data, err := fs.ReadFile(fsys, job.Download)
	if err != nil {
		return err
	}
	r.Downloaded = Sum(data)
	if err := fsys.Close(); err != nil {
		return err
	}
	return job.store(ctx, d, u, r)
}

// store uploads on a control connection of its own.
func (job Job) store(ctx context.Context, d *ftpnat.Dialer, u *url.URL, r *Result) error {
	conn, err := d.Dial(ctx, hostPort(u))
	if err != nil {
		return err
	}
	for _, size := range append(job.Before, job.Size) {
		n, serr := conn.Store(ctx, job.Upload, bytes.NewReader(Payload(job.Seed, size)))
		if err = serr; err == nil && n != int64(size) {
			err = fmt.Errorf("stored %d bytes of %d", n, size)
		}
		if err != nil {
			break
		}
	}
	r.Report = conn.Report().String()
	return errors.Join(err, conn.Close())
}

// bridge does the job with jlaffaye/ftp over ftpnat.
func (job Job) bridge(ctx context.Context, u *url.URL, r *Result) error {
	d, err := job.Settings.dialer(u)
	if err != nil {
		return err
	}
	return job.overJlaffaye(u, r, d.DialFunc(traced(ctx, r)))
}

func (s Settings) dialer(u *url.URL) (*ftpnat.Dialer, error) {
	password, _ := u.User.Password()
	d := &ftpnat.Dialer{
		User:           u.User.Username(),
		Password:       password,
		PublicAddr:     s.PublicAddr,
		ListenPorts:    s.ListenPorts,
		AttemptTimeout: s.AttemptTimeout,
		TLSConfig:      s.tlsConfig(),
		ImplicitTLS:    u.Scheme == "ftps",
		ClearData:      s.ClearData,
		ClearCommands:  s.ClearCommands,
	}
	if s.Proxy != "" {
		var err error
		if d.ProxyURL, err = url.Parse(s.Proxy); err != nil {
			return nil, err
		}
	}
	for _, name := range s.Modes {
		var m ftpnat.Mode
		if err := m.UnmarshalText([]byte(name)); err != nil {
			return nil, err
		}
		d.Modes = append(d.Modes, m)
	}
	return d, nil
}

// traced records what ftpnat does in r.
func traced(ctx context.Context, r *Result) context.Context {
	var mu sync.Mutex
	add := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		r.Trace = append(r.Trace, fmt.Sprintf(format, args...))
		if r.Measured != nil {
			r.Measured.TraceAt = append(r.Measured.TraceAt, delay.Now())
		}
	}
	return ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			add("connect %s: %v, after %v", e.Server, e.Err, e.Elapsed)
			mu.Lock()
			defer mu.Unlock()
			r.Connects = append(r.Connects, e.Elapsed)
		},
		Command: func(line string) { add("> %s", line) },
		Reply:   func(reply ftpnat.Reply) { add("< %s", reply) },
		Lost:    func(err error) { add("lost: %v", err) },
		Note:    func(text string) { add("note: %s", text) },
		Attempt: func(a ftpnat.Attempt) {
			add("attempt: %s", a)
			mu.Lock()
			defer mu.Unlock()
			r.Attempts = append(r.Attempts, attempt(a))
		},
	})
}

// fail records an error.
func (r *Result) fail(err error) {
	r.Err = err.Error()
	var n *ftpnat.NegotiateError
	if !errors.As(err, &n) {
		return
	}
	r.Negotiation = &Negotiation{Advice: n.Advice()}
	for _, a := range n.Attempts {
		r.Negotiation.Attempts = append(r.Negotiation.Attempts, attempt(a))
	}
}

func attempt(a ftpnat.Attempt) Attempt {
	return Attempt{
		Mode:       a.Mode.String(),
		Cause:      name(a.Cause),
		Advertised: addrPort(a.Advertised),
		Used:       addrPort(a.Used),
		Reply:      a.Reply.String(),
		Elapsed:    a.Elapsed,
	}
}

// name returns the name of the constant.
func name(c ftpnat.Cause) string {
	text, err := c.MarshalText()
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func addrPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

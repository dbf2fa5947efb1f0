//go:build linux

package bulk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/delay"
)

// Cost is what a transfer took.
type Cost struct {
	Wall   time.Duration
	CPU    time.Duration // of the client's process
	Memory int64         // its peak above what it was before, in bytes; zero where it is not known
}

// Contender is something that transfers.
type Contender struct {
	Name    string
	Measure func(ctx context.Context, p *Place, upload bool) (Cost, error)
}

// Contenders returns them: the bare copy first, then ftpnat.
func Contenders() []Contender {
	type measure = func(ctx context.Context, p *Place, upload bool) (Cost, error)
	library := func(kind client.Kind) measure {
		return func(ctx context.Context, p *Place, upload bool) (Cost, error) { return p.library(ctx, kind, upload) }
	}
	bare := func(ctx context.Context, p *Place, upload bool) (Cost, error) { return p.bare(ctx, upload) }
	curl := func(ctx context.Context, p *Place, upload bool) (Cost, error) { return p.curl(ctx, upload) }
	return []Contender{
		{"bare copy", bare},
		{"ftpnat", library(client.FS)},
		{"jlaffaye/ftp", library(client.Jlaffaye)},
		{"curl", curl},
	}
}

// timeout is for one transfer.
const timeout = 2 * time.Minute

// job is the transfer as a client process does it.
func (p *Place) job(kind client.Kind, upload bool) client.Job {
	j := client.Job{
		Kind: kind, URL: p.url(""), Timeout: timeout,
		Task: &client.Task{Action: client.Download, Files: []string{fileName}, Size: warmSize, Conns: 1, Local: p.local(localName)},
	}
	if upload {
		j.Task.Action, j.Task.Files, j.Task.Local = client.Upload, []string{upName}, p.local(fileName)
	}
	if p.TLS != nil {
		j.Settings.RootsPEM, j.Settings.TLSVersion = p.TLS.CertPEM, tls.VersionTLS13
	}
	return j
}

// run does the job and checks its outcome.
func (p *Place) run(ctx context.Context, job client.Job, upload bool) (Cost, error) {
	if err := p.forget(upload); err != nil {
		return Cost{}, err
	}
	r, err := client.Run(ctx, p.Pair.Client, job)
	if err != nil {
		return Cost{}, err
	}
	if r.Err != "" {
		return Cost{}, errors.New(r.Err)
	}
	m := r.Measured
	return Cost{Wall: m.To - m.From, CPU: m.CPU, Memory: m.Memory}, nil
}

// library measures a transfer in a session that is up.
func (p *Place) library(ctx context.Context, kind client.Kind, upload bool) (Cost, error) {
	job := p.job(kind, upload)
	job.Task.Warm = []string{warmName}
	c, err := p.run(ctx, job, upload)
	return c, cmp.Or(err, p.check(upload))
}

// bare measures a copy without a protocol, to or from a server that has none
// either; or, under TLS, with the least of a protocol.
func (p *Place) bare(ctx context.Context, upload bool) (Cost, error) {
	job := p.job(client.Bare, upload)
	if p.TLS != nil {
		c, err := p.run(ctx, job, upload)
		return c, cmp.Or(err, p.check(upload))
	}
	l, err := p.listen()
	if err != nil {
		return Cost{}, err
	}
	served := make(chan error, 1)
	go func() { served <- p.serve(l, upload) }()
	job.Task.Addr = l.Addr().String()
	c, err := p.run(ctx, job, upload)
	err = errors.Join(err, l.Close(), <-served)
	return c, cmp.Or(err, p.check(upload))
}

// serve is the other end of a bare copy.
func (p *Place) serve(l net.Listener, upload bool) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	if upload {
		return errors.Join(p.receive(conn), conn.Close())
	}
	f, err := os.Open(p.served(fileName))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	_, err = io.Copy(conn, f)
	return errors.Join(err, conn.Close(), f.Close())
}

func (p *Place) receive(conn net.Conn) error {
	f, err := os.Create(p.served(upName))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, conn)
	return errors.Join(err, f.Close())
}

// curl measures its whole process, the login included.
func (p *Place) curl(ctx context.Context, upload bool) (Cost, error) {
	if err := p.forget(upload); err != nil {
		return Cost{}, err
	}
	argv := []string{"-sS"}
	if p.TLS != nil {
		roots := p.local("roots.pem")
		if err := os.WriteFile(roots, p.TLS.CertPEM, 0o644); err != nil {
			return Cost{}, err
		}
		argv = append(argv, "--ssl-reqd", "--tlsv1.3", "--cacert", roots)
	}
	if upload {
		argv = append(argv, "-T", p.local(fileName), p.url(upName))
	} else {
		argv = append(argv, "-o", p.local(localName), p.url(fileName))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := p.Pair.Client.Command(ctx, "curl", argv...)
	c, err := measured(cmd)
	return c, cmp.Or(err, p.check(upload))
}

func measured(cmd *exec.Cmd) (Cost, error) {
	var stderr bytes.Buffer
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	cmd.Stderr = &stderr
	start := delay.Now()
	if err := cmd.Run(); err != nil {
		return Cost{}, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return Cost{Wall: delay.Now() - start, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

//go:build linux

package bulk

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"os/exec"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
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
	session := func(kind client.Kind) measure {
		return func(ctx context.Context, p *Place, upload bool) (Cost, error) { return p.session(ctx, kind, upload) }
	}
	curl := func(ctx context.Context, p *Place, upload bool) (Cost, error) { return p.curl(ctx, upload) }
	return []Contender{
		{"bare copy", session(client.Bare)},
		{"ftpnat", session(client.FS)},
		{"jlaffaye/ftp", session(client.Jlaffaye)},
		{"curl", curl},
	}
}

// timeout is for one transfer.
const timeout = 2 * time.Minute

// job is the transfer as a client process does it.
func (p *Place) job(kind client.Kind, upload bool) client.Job {
	j := client.Job{
		Kind: kind, URL: p.url(""), Timeout: timeout,
		Task: &client.Task{
			Action: client.Download, Warm: []string{warmName}, Files: []string{fileName}, Size: warmSize,
			Conns: 1, Local: p.local(localName),
		},
	}
	if upload {
		j.Task.Action, j.Task.Files, j.Task.Local = client.Upload, []string{upName}, p.local(fileName)
	}
	if p.TLS != nil {
		j.Settings.RootsPEM, j.Settings.TLSVersion = p.TLS.CertPEM, tls.VersionTLS13
	}
	return j
}

// session measures a transfer in a session that is up, by a client process, and
// checks its outcome.
func (p *Place) session(ctx context.Context, kind client.Kind, upload bool) (Cost, error) {
	if err := p.forget(upload); err != nil {
		return Cost{}, err
	}
	r, err := client.Run(ctx, p.Pair.Client, p.job(kind, upload))
	if err != nil {
		return Cost{}, err
	}
	if r.Err != "" {
		return Cost{}, errors.New(r.Err)
	}
	m := r.Measured
	return Cost{Wall: m.To - m.From, CPU: m.CPU, Memory: m.Memory}, p.check(upload)
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
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if upload {
		argv = append(argv, "-T", p.local(fileName), p.url(upName))
		c, err := measured(p.Pair.Client.Command(ctx, "curl", argv...))
		return c, cmp.Or(err, p.check(upload))
	}
	// To its output, since it would empty a file that it has by name.
	to, err := os.OpenFile(p.local(localName), os.O_WRONLY, 0)
	if err != nil {
		return Cost{}, err
	}
	cmd := p.Pair.Client.Command(ctx, "curl", append(argv, p.url(fileName))...)
	cmd.Stdout = to
	c, err := measured(cmd)
	return c, cmp.Or(err, to.Close(), p.check(upload))
}

func measured(cmd *exec.Cmd) (Cost, error) {
	wall, cpu, err := peer.Measured(cmd)
	return Cost{Wall: wall, CPU: cpu}, err
}

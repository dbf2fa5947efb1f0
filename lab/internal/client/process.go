//go:build linux

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// variable marks a process as a client.
const variable = "FTPNAT_LAB_CLIENT"

// exitGrace is how long a client may take beyond its job's timeout, to start
// and to report.
const exitGrace = 10 * time.Second

// Run does a job in a process inside the namespace. The error is about the
// process; what the client met is in the Result.
func Run(ctx context.Context, n *netns.Namespace, job Job) (*Result, error) {
	ctx, cancel := context.WithTimeout(ctx, job.Timeout+exitGrace)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	argv := []string{self}
	if job.Hosts != "" {
		var remove func()
		if argv, remove, err = withHosts(job.Hosts, self); err != nil {
			return nil, err
		}
		defer remove()
	}
	var stdout, stderr bytes.Buffer
	cmd := n.Command(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("client %s: %w\n%s", job.Kind, err, stderr.Bytes())
	}
	var r Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("client %s: %w\n%s", job.Kind, err, stdout.Bytes())
	}
	return &r, nil
}

// withHosts returns a command that runs a program in a mount namespace of its
// own with another /etc/hosts.
func withHosts(hosts, program string) (argv []string, remove func(), err error) {
	f, err := os.CreateTemp("", "ftpnat-lab-hosts-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = f.WriteString(hosts)
	if err := errors.Join(err, f.Close(), os.Chmod(f.Name(), 0o644)); err != nil {
		remove()
		return nil, nil, err
	}
	const script = `mount --bind "$1" /etc/hosts && exec "$2"`
	return []string{"unshare", "--mount", "--", "sh", "-c", script, "sh", f.Name(), program}, remove, nil
}

// Main does the job and ends the process, if this process is a client.
// Otherwise it returns.
func Main() {
	if os.Getenv(variable) == "" {
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve() error {
	var job Job
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		return err
	}
	u, err := url.Parse(job.URL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), job.Timeout)
	defer cancel()
	start := time.Now()
	var r Result
	if err := job.do(ctx, u, &r); err != nil {
		r.fail(err)
	}
	r.Elapsed = time.Since(start)
	return json.NewEncoder(os.Stdout).Encode(&r)
}

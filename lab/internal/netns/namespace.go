//go:build linux

package netns

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// folder is where ip(8) keeps the namespaces that have names.
const folder = "/run/netns/"

// commandTimeout bounds one administrative command. They take milliseconds; a
// machine under heavy load is given a thousand times that.
const commandTimeout = 20 * time.Second

// killGrace is how long a command that was told to end may take to hand over
// its output before its pipes are closed.
const killGrace = 2 * time.Second

// Namespace is one network namespace, that is one host or router.
type Namespace struct {
	Name string // as ip netns list shows it
}

// Command returns a command that runs inside the namespace in a process group
// of its own. When ctx ends the whole group is killed.
func (n *Namespace) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return command(ctx, "nsenter", append([]string{"--net=" + folder + n.Name, "--", name}, args...)...)
}

// Run runs a command inside the namespace with stdin as its input and returns
// what it printed.
func (n *Namespace) Run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return output(n.Command(ctx, name, args...), stdin)
}

// Nft loads rules in the language of nft(8).
func (n *Namespace) Nft(ctx context.Context, rules string) error {
	if _, err := n.Run(ctx, rules, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("%w\n%s", err, rules)
	}
	return nil
}

// Sysctl sets a kernel parameter of the namespace, such as
// "net.ipv4.ip_forward".
func (n *Namespace) Sysctl(ctx context.Context, key, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
	_, err := n.Run(ctx, value, "dd", "of="+path, "status=none")
	return err
}

// ip runs lines of ip(8) commands inside the namespace.
func (n *Namespace) ip(ctx context.Context, lines ...string) error {
	_, err := run(ctx, strings.Join(lines, "\n")+"\n", "ip", "-netns", n.Name, "-batch", "-")
	return err
}

// add makes the namespace and brings its loopback interface up.
func (n *Namespace) add(ctx context.Context) error {
	if _, err := run(ctx, "", "ip", "netns", "add", n.Name); err != nil {
		return err
	}
	return n.ip(ctx, "link set lo up")
}

// remove ends every process that is still inside the namespace and deletes it.
// Nothing but what the lab started can be in there.
func (n *Namespace) remove(ctx context.Context) error {
	pids, err := run(ctx, "", "ip", "netns", "pids", n.Name)
	if err != nil {
		return err
	}
	for _, s := range strings.Fields(pids) {
		if pid, err := strconv.Atoi(s); err == nil && pid > 1 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_, err = run(ctx, "", "ip", "netns", "delete", n.Name)
	return err
}

func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killGrace
	return cmd
}

func run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return output(command(ctx, name, args...), stdin)
}

func output(cmd *exec.Cmd, stdin string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

//go:build linux

// Package peer is what must be the same wherever ftpnat is compared with other
// clients: which they are, and what they see of this machine.
package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"time"
)

// Client is a client with its version, as a table names it.
type Client struct{ Name, Version string }

// Identify asks a client for its version.
func Identify(ctx context.Context, name string, version func(context.Context) (string, error)) (Client, error) {
	v, err := version(ctx)
	if err != nil {
		return Client{}, fmt.Errorf("run lab/compare/install.sh first: %s: %w", name, err)
	}
	return Client{name, v}, nil
}

// ModuleVersion reads what this program was built with.
func ModuleVersion(path string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("built without modules")
	}
	for _, m := range info.Deps {
		if m.Path != path {
			continue
		}
		if m.Replace != nil || m.Version == "(devel)" {
			return "this tree", nil
		}
		return m.Version, nil
	}
	return "", errors.New("not a part of this program")
}

// ProgramVersion runs a program that tells its version, which the pattern's
// first group matches. Some report success in odd ways: the text decides.
func ProgramVersion(cmd *exec.Cmd, pattern *regexp.Regexp) (string, error) {
	text, err := cmd.CombinedOutput()
	m := pattern.FindSubmatch(text)
	if m == nil {
		return "", errors.Join(fmt.Errorf("no version in %q", text), err)
	}
	return string(m[1]), nil
}

// Python is Debian's own interpreter, which another may hide.
const Python = "/usr/bin/python3"

// killGrace is how long a program that was killed may take to be gone.
const killGrace = 5 * time.Second

// House has a program run in the folder, with that as its home too, so that no
// settings of the user have a part in what it does.
func House(cmd *exec.Cmd, folder string) {
	cmd.WaitDelay = killGrace
	cmd.Dir = folder
	cmd.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb"}
}

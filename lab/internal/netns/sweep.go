//go:build linux

package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// prefix begins the name of every namespace of the lab. The id of the process
// that made it follows.
const prefix = "ftpnat-lab-"

// Check reports why this process cannot build namespaces, or nil if it can.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	for _, tool := range []string{"ip", "nft", "nsenter", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("needs %s: %w", tool, err)
		}
	}
	return nil
}

// Sweep removes the namespaces that earlier runs left behind: those whose
// process is gone. It returns their names.
func Sweep(ctx context.Context) ([]string, error) {
	return sweep(ctx, func(owner int) bool { return !alive(owner) })
}

// Close removes what this process made and has not removed itself.
func Close(ctx context.Context) ([]string, error) {
	return sweep(ctx, func(owner int) bool { return owner == os.Getpid() })
}

func sweep(ctx context.Context, doomed func(owner int) bool) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, e := range entries {
		owner, ok := ownerOf(e.Name())
		if !ok || !doomed(owner) {
			continue
		}
		n := &Namespace{Name: e.Name()}
		if err := n.remove(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, n.Name)
	}
	return removed, errors.Join(errs...)
}

// ownerOf reads the process id out of a namespace's name.
func ownerOf(name string) (pid int, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, "-")
	if !ok {
		return 0, false
	}
	pid, err := strconv.Atoi(digits)
	return pid, err == nil && pid > 0
}

func alive(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err == nil
}

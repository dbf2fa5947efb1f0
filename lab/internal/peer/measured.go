//go:build linux

package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/delay"
)

// Measured runs a program, from whose user's settings nothing is read, and returns how
// long it took and what it used of a processor. An error has what it said.
func Measured(cmd *exec.Cmd, env ...string) (wall, cpu time.Duration, err error) {
	var stderr bytes.Buffer
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, env...)
	cmd.Stderr = &stderr
	start := delay.Now()
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("%w: %.300s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return delay.Now() - start, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

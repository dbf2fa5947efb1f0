//go:build linux

package netns

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread that is inside the namespace. A socket or device that
// f opens belongs to the namespace for good. f must not leave its work to
// other goroutines.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// A thread that does not find its way back ends with the goroutine.
		runtime.LockOSThread()
		back, err := n.visit(f)
		if back {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// visit moves the thread into the namespace for the time of f and reports
// whether it is where it was.
func (n *Namespace) visit(f func() error) (back bool, err error) {
	home, err := openNamespace("/proc/thread-self/ns/net")
	if err != nil {
		return true, err
	}
	defer unix.Close(home)
	inside, err := openNamespace(folder + n.Name)
	if err != nil {
		return true, err
	}
	defer unix.Close(inside)
	if err := unix.Setns(inside, unix.CLONE_NEWNET); err != nil {
		return true, err
	}
	err = f()
	returned := unix.Setns(home, unix.CLONE_NEWNET)
	return returned == nil, errors.Join(err, returned)
}

func openNamespace(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

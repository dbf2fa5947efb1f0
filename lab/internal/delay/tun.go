//go:build linux

package delay

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// device is the name of the wire's interface on both sides.
const device = "wire0"

// openTUN makes the TUN device in the namespace. It goes away when the file is
// closed.
func openTUN(n *netns.Namespace) (*os.File, error) {
	var f *os.File
	err := n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := attach(fd); err != nil {
			unix.Close(fd)
			return err
		}
		f = os.NewFile(uintptr(fd), device)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", device, n.Name, err)
	}
	return f, nil
}

// attach makes the descriptor one of the device, whose packets come without a
// header of their own.
func attach(fd int) error {
	req, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
}

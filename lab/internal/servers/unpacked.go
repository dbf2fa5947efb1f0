//go:build linux

package servers

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// systemPython is Debian's own Python, the one that has Debian's pyftpdlib.
const systemPython = "/usr/bin/python3"

// CacheDir returns the folder into which install.sh unpacks servers.
func CacheDir() string {
	return cmp.Or(os.Getenv("FTPNAT_LAB_CACHE"), "/var/cache/ftpnat-lab")
}

// unpacked returns the path of a program out of a package that install.sh has
// unpacked, and the environment in which it finds its libraries.
func unpacked(pkg, program string) (path string, env []string) {
	dir := filepath.Join(CacheDir(), pkg)
	var folders []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		folders = append(folders, found...)
	}
	return filepath.Join(dir, program), []string{"LD_LIBRARY_PATH=" + strings.Join(folders, ":")}
}

func (k Kind) missing() error {
	switch k {
	case Pyftpdlib:
		if err := exec.Command(systemPython, "-I", "-c", "import pyftpdlib, OpenSSL").Run(); err != nil {
			return fmt.Errorf("%s has no pyftpdlib with OpenSSL: %w", systemPython, err)
		}
		return nil
	default:
		pkg, program := k.files()
		path, _ := unpacked(pkg, program)
		_, err := os.Stat(path)
		return err
	}
}

// files returns the Debian package and the program in it.
func (k Kind) files() (pkg, program string) {
	switch k {
	case ProFTPD:
		return "proftpd-core", "usr/sbin/proftpd"
	case PureFTPd:
		return "pure-ftpd", "usr/sbin/pure-ftpd"
	case Danted:
		return "dante-server", "usr/sbin/danted"
	case Tinyproxy:
		return "tinyproxy-bin", "usr/bin/tinyproxy"
	default:
		return "vsftpd", "usr/sbin/vsftpd"
	}
}

//go:build linux

package servers

import (
	"cmp"
	"errors"
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
		return missingModules("pyftpdlib", "OpenSSL")
	case Twisted:
		return missingModules("twisted")
	case Aioftp:
		return missingModules("aioftp")
	case FtpSrv, NodeFtpd:
		_, err := exec.LookPath("node")
		_, serr := os.Stat(filepath.Join(nodeModules(), string(k)))
		return errors.Join(err, serr)
	case Goftp:
		return nil // it is part of this program
	default:
		pkg, program := k.files()
		path, _ := unpacked(pkg, program)
		_, err := os.Stat(path)
		return err
	}
}

// missingModules reports modules that Debian's own Python has not.
func missingModules(modules ...string) error {
	list := strings.Join(modules, ", ")
	if err := exec.Command(systemPython, "-I", "-c", "import "+list).Run(); err != nil {
		return fmt.Errorf("%s lacks one of %s: %w", systemPython, list, err)
	}
	return nil
}

// nodeModules returns the folder into which install.sh has npm put packages.
func nodeModules() string { return filepath.Join(CacheDir(), "npm", "node_modules") }

// files returns the Debian package and the program in it.
func (k Kind) files() (pkg, program string) {
	switch k {
	case ProFTPD:
		return "proftpd-core", "usr/sbin/proftpd"
	case PureFTPd:
		return "pure-ftpd", "usr/sbin/pure-ftpd"
	case Inetutils:
		return "inetutils-ftpd", "usr/sbin/ftpd"
	case Danted:
		return "dante-server", "usr/sbin/danted"
	case Tinyproxy:
		return "tinyproxy-bin", "usr/bin/tinyproxy"
	default:
		return "vsftpd", "usr/sbin/vsftpd"
	}
}

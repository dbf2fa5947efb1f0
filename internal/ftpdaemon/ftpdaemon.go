//go:build linux

// Package ftpdaemon starts FTP servers of Debian on the loopback interface, as
// lab/install.sh has unpacked or installed them, for tests and comparisons.
package ftpdaemon

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// User and Password are the account of each server.
const User, Password = "joe", "hunter2"

// Account is the user and group id of the servers' only user. It belongs to nobody
// on a Debian machine.
const Account = 42420

// Names are the servers that there are.
var Names = []string{"vsftpd", "pure-ftpd", "proftpd", "pyftpdlib"}

// ErrMissing says that a server is not installed, so that there is nothing to be tested
// with. Where CI is "true" it has to be, and the error is another one.
var ErrMissing = errors.New("not installed (lab/install.sh does that), or this is not root")

// Daemon is a server.
type Daemon struct {
	Addr string
	Root string // where its files are

	dir, port string
	argv, env []string
	cmd       *exec.Cmd
}

// Start starts a server, with its files in dir.
func Start(name, dir string) (*Daemon, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	d := &Daemon{Addr: "127.0.0.1:" + port, Root: filepath.Join(dir, "root"), dir: dir, port: port}
	program, err := d.find(name)
	if err != nil || os.Getuid() != 0 {
		missing := fmt.Errorf("%s: %w", name, errors.Join(ErrMissing, err))
		if os.Getenv("CI") == "true" {
			missing = fmt.Errorf("the servers must run here: %v", missing)
		}
		return nil, missing
	}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	argv, err := d.configure(name)
	if err != nil {
		return nil, err
	}
	d.argv = append([]string{program}, argv...)
	return d, d.Restart()
}

// find returns the path of a server.
func (d *Daemon) find(name string) (string, error) {
	if name == "pyftpdlib" {
		const python = "/usr/bin/python3" // Debian's, which has Debian's pyftpdlib
		return python, exec.Command(python, "-I", "-W", "ignore", "-c", "import pyftpdlib").Run()
	}
	cache := os.Getenv("FTPNAT_LAB_CACHE")
	if cache == "" {
		cache = "/var/cache/ftpnat-lab"
	}
	pkg := name
	if name == "proftpd" {
		pkg = "proftpd-core"
	}
	home := filepath.Join(cache, pkg)
	var folders []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(home, pattern))
		folders = append(folders, found...)
	}
	d.env = []string{"LD_LIBRARY_PATH=" + strings.Join(folders, ":")}
	program := filepath.Join(home, "usr/sbin", name)
	_, err := os.Stat(program)
	return program, err
}

// prepare makes the folders and the account.
func (d *Daemon) prepare() error {
	for dir := d.dir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o5 != 0o5 {
			if err := os.Chmod(dir, 0o755); err != nil {
				return err
			}
		}
	}
	hash, err := exec.Command("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", Password, "$6$rounds=1000$laboratory$").Output()
	if err != nil {
		return err
	}
	return errors.Join(
		os.Mkdir(d.Root, 0o755), os.Mkdir(filepath.Join(d.dir, "empty"), 0o755), os.Chown(d.Root, Account, Account),
		d.write("passwd", fmt.Sprintf("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n%s:x:%d:%d::%s:/bin/sh\n", User, Account, Account, d.Root)),
		d.write("group", fmt.Sprintf("root:x:0:\nnogroup:x:65534:\n%s:x:%d:\n", User, Account)),
		d.write("shadow", fmt.Sprintf("root:*:19000:0:99999:7:::\n%s:%s:19000:0:99999:7:::\n", User, hash)),
		d.write("users", fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", User, hash, Account, Account, d.Root)),
		os.Chmod(filepath.Join(d.dir, "users"), 0o600),
	)
}

// configure writes the configuration of a server and returns its arguments.
func (d *Daemon) configure(name string) ([]string, error) {
	switch name {
	case "vsftpd":
		return []string{filepath.Join(d.dir, "vsftpd.conf")}, errors.Join(
			d.write("vsftpd", "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n"),
			d.write("vsftpd.conf", fmt.Sprintf(vsftpdConf, d.port, filepath.Join(d.dir, "empty"))))
	case "pure-ftpd":
		return []string{"--login", "unix", "--chrooteveryone", "--noanonymous", "--dontresolve", "--minuid", "1000",
			"--bind", "127.0.0.1," + d.port, "--pidfile", filepath.Join(d.dir, "pid"), "--umask", "133:022"}, nil
	case "proftpd":
		return []string{"-n", "-c", filepath.Join(d.dir, "proftpd.conf")}, d.write("proftpd.conf", fmt.Sprintf(proftpdConf,
			d.port, filepath.Join(d.dir, "users"), filepath.Join(d.dir, "pid"), filepath.Join(d.dir, "scoreboard"), filepath.Join(d.dir, "log")))
	}
	return []string{"-I", "-W", "ignore", filepath.Join(d.dir, "server.py")}, d.write("server.py", fmt.Sprintf(pyftpdScript, User, Password, d.Root, d.port, Account))
}

const vsftpdConf = `listen=YES
listen_address=127.0.0.1
listen_port=%s
background=NO
seccomp_sandbox=NO
isolate_network=NO
secure_chroot_dir=%s
pam_service_name=vsftpd
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
`

const proftpdConf = `ServerType standalone
ServerName test
DefaultAddress 127.0.0.1
SocketBindTight on
Port %s
UseIPv6 off
UseReverseDNS off
WtmpLog off
User nobody
Group nogroup
Umask 022
AllowOverwrite on
AllowStoreRestart on
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile %s
DefaultRoot ~
PidFile %s
ScoreboardFile %s
SystemLog %s
TransferLog none
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
`

const pyftpdScript = `
import logging, os
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

authorizer = DummyAuthorizer()
authorizer.add_user(%q, %q, %q, perm="elradfmwMT")
FTPHandler.authorizer = authorizer
logging.basicConfig(level=logging.ERROR)
server = FTPServer(("127.0.0.1", %s), FTPHandler)
os.setgroups([])
os.setgid(%[5]d)
os.setuid(%[5]d)
server.serve_forever()
`

// freePort returns a port that no socket has. The system gives none of these to
// clients: one that dials while the server is away would connect to itself, and have
// the server's port.
func freePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(20_000 + rand.IntN(10_000))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", err
}

func (d *Daemon) write(name, text string) error {
	return os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644)
}

// Restart runs a server that was stopped, and waits until it answers. It is in a mount
// namespace of its own, where the accounts are those of the test.
func (d *Daemon) Restart() error {
	const script = `cd "$1"; shift
for f in passwd group shadow; do mount --bind "$f" "/etc/$f"; done
if test -e vsftpd; then mount --bind . /etc/pam.d; fi
exec "$@"`
	d.cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-e", "-c", script, "sh", d.dir}, d.argv...)...)
	d.cmd.Env = append(os.Environ(), d.env...)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.DialTimeout("tcp", d.Addr, time.Second)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			d.Stop()
			return err
		}
		time.Sleep(10 * time.Millisecond) // another program's start cannot be waited for otherwise
	}
}

// Stop kills the server and its sessions, as a machine that fails does, and waits until
// they are gone: a session that is still to die holds the port, so that a connection to
// it says nothing of the server that is started next.
func (d *Daemon) Stop() {
	syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	d.cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		c, err := net.DialTimeout("tcp", d.Addr, time.Second)
		if err != nil {
			return
		}
		c.Close()
		time.Sleep(10 * time.Millisecond) // as in Restart
	}
}

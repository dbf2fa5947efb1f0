//go:build linux

package blob

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"gocloud.dev/blob/drivertest"
)

// account is the user and group id of the account of the daemons' only user. It
// belongs to nobody on a Debian machine.
const account = 42420

const secret = "hunter2"

// daemon is an FTP server of Debian on the loopback interface, as lab/install.sh
// has unpacked it.
type daemon struct {
	t    *testing.T
	argv []string
	env  string
	dir  string // with its files in root, and the configuration
	port string
	cmd  *exec.Cmd
}

// daemons has the arguments of each, with its port and the folder of its files.
var daemons = map[string]func(d *daemon) []string{
	"vsftpd": func(d *daemon) []string {
		d.write("vsftpd", "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n")
		d.write("vsftpd.conf", `listen=YES
listen_address=127.0.0.1
listen_port=`+d.port+`
background=NO
seccomp_sandbox=NO
isolate_network=NO
secure_chroot_dir=`+filepath.Join(d.dir, "empty")+`
pam_service_name=vsftpd
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
`)
		return []string{"usr/sbin/vsftpd", filepath.Join(d.dir, "vsftpd.conf")}
	},
	"pure-ftpd": func(d *daemon) []string {
		return []string{"usr/sbin/pure-ftpd", "--login", "unix", "--chrooteveryone", "--noanonymous", "--dontresolve", "--minuid", "1000",
			"--bind", "127.0.0.1," + d.port, "--pidfile", filepath.Join(d.dir, "pid"), "--umask", "133:022"}
	},
}

// startDaemon starts a server.
func startDaemon(t *testing.T, name string) *daemon {
	t.Helper()
	cache := os.Getenv("FTPNAT_LAB_CACHE")
	if cache == "" {
		cache = "/var/cache/ftpnat-lab"
	}
	home := filepath.Join(cache, name)
	if _, err := os.Stat(home); err != nil || os.Getuid() != 0 {
		t.Skipf("%s is not installed (lab/install.sh does that), or this is not root: %v", name, err)
	}
	d := &daemon{t: t, dir: t.TempDir(), port: freePort(t)}
	for dir := d.dir; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o5 != 0o5 {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	hash, err := exec.Command("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", secret, "$6$rounds=1000$laboratory$").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"root", "empty"} {
		if err := os.Mkdir(filepath.Join(d.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.own("root")
	d.write("passwd", fmt.Sprintf("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\nbeam:x:%d:%d::%s:/bin/sh\n", account, account, filepath.Join(d.dir, "root")))
	d.write("group", fmt.Sprintf("root:x:0:\nnogroup:x:65534:\nbeam:x:%d:\n", account))
	d.write("shadow", fmt.Sprintf("root:*:19000:0:99999:7:::\nbeam:%s:19000:0:99999:7:::\n", hash))
	d.argv = daemons[name](d)
	d.argv[0] = filepath.Join(home, d.argv[0])
	var folders []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*"} {
		found, _ := filepath.Glob(filepath.Join(home, pattern))
		folders = append(folders, found...)
	}
	d.env = "LD_LIBRARY_PATH=" + strings.Join(folders, ":")
	d.start()
	t.Cleanup(d.stop)
	return d
}

// freePort returns a port that no socket has. The system gives none of these to
// clients: one that dials while the server is away would connect to itself, and have
// the server's port.
func freePort(t *testing.T) string {
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (d *daemon) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) own(name string) {
	d.t.Helper()
	if err := os.Chown(filepath.Join(d.dir, name), account, account); err != nil {
		d.t.Fatal(err)
	}
}

// start runs the server in a mount namespace of its own, where the accounts are
// those of the test, and waits until it answers.
func (d *daemon) start() {
	d.t.Helper()
	script := `cd "$1"; shift
for f in passwd group shadow; do mount --bind "$f" "/etc/$f"; done
if test -e vsftpd; then mount --bind . /etc/pam.d; fi
exec "$@"`
	d.cmd = exec.Command("unshare", append([]string{"--mount", "sh", "-e", "-c", script, "sh", d.dir}, d.argv...)...)
	d.cmd.Env = append(os.Environ(), d.env)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+d.port, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // another program's start cannot be waited for otherwise
	}
}

// stop kills the server and its sessions, as a machine that fails does.
func (d *daemon) stop() {
	syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	d.cmd.Wait()
}

// TestDaemons is TestConformance on servers of the field.
func TestDaemons(t *testing.T) {
	for name := range daemons {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, name)
			n := 0
			drivertest.RunConformanceTests(t, func(ctx context.Context, t *testing.T) (drivertest.Harness, error) {
				n++
				root := fmt.Sprintf("root/%d", n)
				if err := os.Mkdir(filepath.Join(d.dir, root), 0o755); err != nil {
					return nil, err
				}
				d.own(root)
				fsys, err := (&ftpnat.Dialer{User: "beam", Password: secret}).Open(ctx, fmt.Sprintf("ftp://127.0.0.1:%s/%d", d.port, n))
				if err != nil {
					return nil, err
				}
				return &harness{fsys: fsys}, nil
			}, []drivertest.AsTest{verifyAs{}})
		})
	}
}

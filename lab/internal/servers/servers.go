//go:build linux

package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
)

// Kind names a server program.
type Kind string

// The servers that the laboratory has.
const (
	Vsftpd    Kind = "vsftpd"
	ProFTPD   Kind = "proftpd"
	PureFTPd  Kind = "pureftpd"
	Pyftpdlib Kind = "pyftpdlib"
)

// The servers that are in its table of servers alone. Debian's busybox and
// rclone are built without theirs (rclone's is Goftp), and its netkit ftpd
// (ftpd-ssl) lets nobody in: it asks PAM for a login before it has a password,
// which PAM no longer takes.
const (
	Inetutils Kind = "inetutils-ftpd"
	Twisted   Kind = "twisted"
	Aioftp    Kind = "aioftp"
	FtpSrv    Kind = "ftp-srv" // Node.js, from npm
	NodeFtpd  Kind = "ftpd"    // the same
	Goftp     Kind = "goftp"   // goftp.io/server, run by this program itself
)

// The proxies that it has.
const (
	Danted    Kind = "danted"    // SOCKS5, with a login
	Tinyproxy Kind = "tinyproxy" // CONNECT, with a login
)

// Others returns the FTP servers beside those of Kinds.
func Others() []Kind { return []Kind{Inetutils, Twisted, Aioftp, FtpSrv, NodeFtpd, Goftp} }

// Kinds returns the FTP servers that run on each path.
func Kinds() []Kind { return []Kind{Vsftpd, ProFTPD, PureFTPd, Pyftpdlib} }

// Options says how a server behaves. Of the zero value only Kind, Namespace and
// Addr must be set.
type Options struct {
	Kind           Kind
	Namespace      *netns.Namespace
	Addr           netip.Addr // it listens here, on Port
	User, Password string     // the one account; empty means lab and secret
	Folder         string     // where its own folder is made; empty means the one for temporary files

	// These are for proxies: the interface through which danted dials, the
	// ports that tinyproxy's CONNECT may go to, nil meaning all, and the
	// hosts(5) by which they find names.
	Outside      string
	ConnectPorts []uint16
	Hosts        string

	// These are for FTP servers.
	TLS          *TLS       // nil means clear text
	Digest       bool       // HASH is there (ProFTPD, in clear text)
	RefuseEPSV   bool       // EPSV is answered by an error (not on pure-ftpd)
	PassiveAddr  netip.Addr // 227 names this address in place of Addr
	PassivePorts [2]uint16  // inclusive; zero means DefaultPassivePorts
	MaxPerClient int        // control connections from one address; zero means no limit
	Rate         int        // bytes per second of a download; zero means no limit

	// Settings are more of a server's configuration: lines of vsftpd.conf and
	// proftpd.conf, arguments of Pure-FTPd, and lines of Python for
	// pyftpdlib.
	Settings []string
	// Disk is the size in bytes of a file system of its own on which Root is,
	// in the server's mount namespace; zero means none.
	Disk int64
}

// TLS has a server refuse what is not under TLS: with vsftpd also a session
// that is not resumed and an upload that ends without a close_notify.
type TLS struct {
	CertPEM, KeyPEM []byte
	Implicit        bool // from the first byte, on port 990 (vsftpd)
	ClearCommands   bool // CCC is taken (ProFTPD)
	ClearData       bool // data connections in clear text are taken (vsftpd)
}

// Port returns the port on which the server listens.
func (o Options) Port() uint16 {
	switch {
	case o.Kind == Danted:
		return 1080
	case o.Kind == Tinyproxy:
		return 8888
	case o.TLS != nil && o.TLS.Implicit:
		return 990
	}
	return 21
}

// DefaultPassivePorts is where the servers listen for data connections. Rules
// of routers name it.
var DefaultPassivePorts = [2]uint16{50000, 50999}

// Limits of starting. A server is up within a tenth of a second on an idle
// machine.
const (
	startTimeout = 20 * time.Second
	pollInterval = 10 * time.Millisecond
	logLimit     = 64 << 10 // of a log that is shown
)

// Server is a server that runs.
type Server struct {
	Root           string // the folder that it serves, owned by its account
	User, Password string

	dir    string // configuration and logs
	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{} // closed when the process has been waited for
}

// programFile is the number under which a server that is this program itself
// has its file open.
const programFile = 3

// program is what a kind of server needs in order to run.
type program struct {
	argv  []string
	env   []string
	binds [][2]string // files mounted over others, for this server alone

	unprivileged bool // it runs as the account and not as root
	self         bool // this program's file is open in it as programFile
}

// Missing reports the kinds of server whose programs are not on this machine.
func Missing() error {
	return missing(append(Kinds(), Danted, Tinyproxy))
}

// MissingOthers reports the same of Others.
func MissingOthers() error { return missing(Others()) }

func missing(kinds []Kind) error {
	var errs []error
	for _, k := range kinds {
		if err := k.missing(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", k, err))
		}
	}
	return errors.Join(errs...)
}

// Start starts a server and returns when it listens. Stop it.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	o = o.withDefaults()
	dir, err := os.MkdirTemp(o.Folder, "ftpnat-lab-server-")
	if err != nil {
		return nil, err
	}
	s := &Server{Root: filepath.Join(dir, "root"), User: o.User, Password: o.Password, dir: dir, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start %s: %w\n%s", o.Kind, err, s.Log()), s.Stop())
		}
	}()
	if err := s.makeFolders(); err != nil {
		return nil, err
	}
	if err := o.writeCertificate(s); err != nil {
		return nil, err
	}
	p, err := o.configure(ctx, s)
	if err != nil {
		return nil, err
	}
	if p.unprivileged {
		if err := o.Namespace.Sysctl(ctx, "net.ipv4.ip_unprivileged_port_start", "0"); err != nil {
			return nil, err
		}
	}
	if err := s.run(o, p); err != nil {
		return nil, err
	}
	if err := s.waitListening(ctx, o.Port()); err != nil {
		return nil, err
	}
	if o.Disk > 0 {
		s.Root = fmt.Sprintf("/proc/%d/root%s", s.cmd.Process.Pid, s.Root)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.User == "" {
		o.User, o.Password = "lab", "secret"
	}
	if o.PassivePorts == [2]uint16{} {
		o.PassivePorts = DefaultPassivePorts
	}
	return o
}

func (o Options) configure(ctx context.Context, s *Server) (*program, error) {
	switch o.Kind {
	case Vsftpd:
		return o.vsftpd(ctx, s)
	case ProFTPD:
		return o.proftpd(ctx, s)
	case PureFTPd:
		return o.pureftpd(ctx, s)
	case Pyftpdlib:
		return o.pyftpdlib(s)
	case Inetutils:
		return o.inetutils(ctx, s)
	case Twisted:
		return o.twisted(s)
	case Aioftp:
		return o.aioftp(s)
	case FtpSrv:
		return o.ftpSrv(s)
	case NodeFtpd:
		return o.nodeFtpd(s)
	case Goftp:
		return o.goftp(s)
	case Danted:
		return o.danted(ctx, s)
	case Tinyproxy:
		return o.tinyproxy(s)
	}
	return nil, fmt.Errorf("no such server: %q", o.Kind)
}

// makeFolders makes what the server's unprivileged account must be able to
// reach, whatever the umask.
func (s *Server) makeFolders() error {
	for _, dir := range []string{s.Root, s.path("empty"), s.path("pam.d")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(s.dir, 0o755), os.Chown(s.Root, accountID, accountID))
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(name, content string) error {
	return os.WriteFile(s.path(name), []byte(content), 0o600)
}

// initScript mounts the server's file system, if it has one, and files over
// others, and runs the server. It stays above it, as the first process of its
// PID namespace: vsftpd ends when it is given orphans that it does not know.
const initScript = `if [ "$2" -gt 0 ]; then mount -t tmpfs -o "size=$2,mode=755,uid=$3,gid=$3" lab "$1" || exit 1; fi
shift 3
while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 1; shift 2; done; shift; "$@"; exit $?`

// run starts the program in the network namespace, in a mount namespace and a
// PID namespace of its own. When the first process of the latter ends, the
// kernel ends all others, the sessions among them, and leaves none unwaited
// for.
func (s *Server) run(o Options, p *program) error {
	output, err := os.Create(s.path("output.log"))
	if err != nil {
		return err
	}
	defer output.Close()
	args := []string{"--mount", "--", "sh", "-c", initScript, "sh", s.Root, strconv.FormatInt(o.Disk, 10), strconv.Itoa(accountID)}
	for _, b := range p.binds {
		args = append(args, b[0], b[1])
	}
	args = append(args, "--")
	if p.unprivileged {
		id := strconv.Itoa(accountID)
		args = append(args, "setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--")
	}
	args = append(args, p.argv...)

	// The server outlives the context that it is started with: Stop ends it.
	ctx, cancel := context.WithCancel(context.Background())
	s.cmd, s.cancel = o.Namespace.Command(ctx, "unshare", args...), cancel
	s.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), p.env...)
	s.cmd.Stdout, s.cmd.Stderr = output, output
	if p.self {
		self, err := os.Open("/proc/self/exe")
		if err != nil {
			cancel()
			s.cmd = nil
			return err
		}
		defer self.Close()
		s.cmd.ExtraFiles = []*os.File{self}
	}
	if err := s.cmd.Start(); err != nil {
		cancel()
		s.cmd = nil
		return err
	}
	go func() {
		defer close(s.exited)
		s.cmd.Wait()
	}()
	return nil
}

// waitListening returns when the server has its socket.
func (s *Server) waitListening(ctx context.Context, port uint16) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if listening(s.cmd.Process.Pid, port) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("it ended: %v", s.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("it does not listen: %w", ctx.Err())
		}
	}
}

// listening reports whether a port is open for connections in the network
// namespace of a process. It looks at the kernel's tables, since a connection
// would count against the server's limits.
func listening(pid int, port uint16) bool {
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for _, name := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == listen {
				return true
			}
		}
	}
	return false
}

// Log returns the end of everything that the server has logged.
func (s *Server) Log() string {
	files, _ := filepath.Glob(s.path("*.log"))
	var b strings.Builder
	for _, name := range files {
		text, err := tail(name, logLimit)
		fmt.Fprintf(&b, "--- %s\n%s", filepath.Base(name), text)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}

func tail(name string, limit int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if _, err := f.Seek(max(0, size-limit), io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return string(text), err
}

// Stop ends the server with all of its processes and removes its folder.
func (s *Server) Stop() error {
	if s.cmd != nil {
		s.cancel()
		<-s.exited
	}
	return os.RemoveAll(s.dir)
}

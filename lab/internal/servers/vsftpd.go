//go:build linux

package servers

import (
	"context"
	"fmt"
	"strings"
)

const vsftpdPAM = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n"

func (o Options) vsftpd(ctx context.Context, s *Server) (*program, error) {
	binds, err := o.accountFiles(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := s.write("pam.d/vsftpd", vsftpdPAM); err != nil {
		return nil, err
	}
	var b strings.Builder
	listen := fmt.Sprintf("listen=YES\nlisten_address=%s\n", o.Addr)
	if o.Addr.Is6() {
		listen = fmt.Sprintf("listen=NO\nlisten_ipv6=YES\nlisten_address6=%s\n", o.Addr)
	}
	b.WriteString(listen)
	b.WriteString(o.vsftpdTLS(s))
	fmt.Fprintf(&b, `listen_port=%d
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
connect_from_port_20=YES
pasv_min_port=%d
pasv_max_port=%d
max_per_ip=%d
local_max_rate=%d
xferlog_enable=YES
xferlog_std_format=NO
log_ftp_protocol=YES
vsftpd_log_file=%s
`, o.Port(), s.path("empty"), o.PassivePorts[0], o.PassivePorts[1], o.MaxPerClient, o.Rate, s.path("vsftpd.log"))
	if o.RefuseEPSV {
		b.WriteString("cmds_denied=EPSV\n")
	}
	if o.PassiveAddr.IsValid() {
		fmt.Fprintf(&b, "pasv_address=%s\n", o.PassiveAddr)
	}
	for _, line := range o.Settings { // the last word is theirs
		b.WriteString(line + "\n")
	}
	if err := s.write("vsftpd.conf", b.String()); err != nil {
		return nil, err
	}
	path, env := unpacked(Vsftpd.files())
	return &program{
		argv:  []string{path, s.path("vsftpd.conf")},
		env:   env,
		binds: append(binds, [2]string{s.path("pam.d"), "/etc/pam.d"}),
	}, nil
}

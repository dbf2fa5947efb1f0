//go:build linux

package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

func (o Options) proftpd(ctx context.Context, s *Server) (*program, error) {
	hash, err := crypt(ctx, o.Password)
	if err != nil {
		return nil, err
	}
	if err := s.write("users", o.passwdLine(s, hash)); err != nil {
		return nil, err
	}
	var b strings.Builder
	// DefaultAddress keeps it from looking up the machine's name, which there
	// is nobody to ask for.
	fmt.Fprintf(&b, `ServerType standalone
ServerName lab
DefaultAddress %s
SocketBindTight on
Port 21
UseIPv6 %s
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
PassivePorts %d %d
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
`, o.Addr, onOff(o.Addr.Is6()), s.path("users"), s.path("pid"), s.path("scoreboard"), s.path("proftpd.log"), o.PassivePorts[0], o.PassivePorts[1])
	b.WriteString(o.proftpdTLS(s))
	if o.Digest {
		modules, _ := unpacked("proftpd-core", "usr/lib/proftpd")
		b.WriteString("ModulePath " + filepath.Clean(modules) + "\nLoadModule mod_digest.c\n")
	}
	if o.RefuseEPSV {
		b.WriteString("<Limit EPSV>\nDenyAll\n</Limit>\n")
	}
	if o.PassiveAddr.IsValid() {
		fmt.Fprintf(&b, "MasqueradeAddress %s\n", o.PassiveAddr)
	}
	if o.MaxPerClient > 0 {
		fmt.Fprintf(&b, "MaxConnectionsPerHost %d\n", o.MaxPerClient)
	}
	if o.Rate > 0 {
		fmt.Fprintf(&b, "TransferRate RETR %d\n", max(1, o.Rate>>10))
	}
	if err := s.write("proftpd.conf", overrule(b.String(), o.Settings)); err != nil {
		return nil, err
	}
	path, env := unpacked(ProFTPD.files())
	return &program{argv: []string{path, "-n", "-c", s.path("proftpd.conf")}, env: env}, nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// overrule returns a configuration with lines added, and without those lines
// that say the same: ProFTPD goes by the first.
func overrule(config string, lines []string) string {
	var b strings.Builder
	for old := range strings.Lines(config) {
		directive, _, _ := strings.Cut(old, " ")
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, directive+" ") }) {
			b.WriteString(old)
		}
	}
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return b.String()
}

//go:build linux

package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// danted is a SOCKS5 proxy that asks for a system account's password.
func (o Options) danted(ctx context.Context, s *Server) (*program, error) {
	binds, err := o.accountFiles(ctx, s)
	if err != nil {
		return nil, err
	}
	hosts, err := o.hostsFile(s)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`logoutput: stderr
internal: %s port = %d
external: %s
socksmethod: username
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {
	from: 0.0.0.0/0 to: 0.0.0.0/0
	log: error
}
socks pass {
	from: 0.0.0.0/0 to: 0.0.0.0/0
	command: connect
	log: error connect
}
`, o.Addr, o.Port(), o.Outside)
	if err := s.write("danted.conf", config); err != nil {
		return nil, err
	}
	path, env := unpacked(Danted.files())
	return &program{argv: []string{path, "-f", s.path("danted.conf"), "-p", s.path("pid")}, env: env, binds: append(binds, hosts)}, nil
}

// tinyproxy is an HTTP proxy that allows CONNECT to every port.
func (o Options) tinyproxy(s *Server) (*program, error) {
	config := fmt.Sprintf(`Port %d
Listen %s
Timeout 60
MaxClients 50
LogLevel Connect
BasicAuth %s %s
`, o.Port(), o.Addr, o.User, o.Password)
	for _, ports := range o.ConnectPorts {
		config += fmt.Sprintf("ConnectPort %d\n", ports)
	}
	if err := s.write("tinyproxy.conf", config); err != nil {
		return nil, err
	}
	hosts, err := o.hostsFile(s)
	if err != nil {
		return nil, err
	}
	path, env := unpacked(Tinyproxy.files())
	return &program{argv: []string{path, "-d", "-c", s.path("tinyproxy.conf")}, env: env, binds: [][2]string{hosts}}, nil
}

// hostsFile writes hosts(5), which unprivileged accounts must be able to read,
// and returns where it must be mounted.
func (o Options) hostsFile(s *Server) (bind [2]string, err error) {
	name := s.path("hosts")
	err = errors.Join(s.write("hosts", o.Hosts), os.Chmod(name, 0o644))
	return [2]string{name, "/etc/hosts"}, err
}

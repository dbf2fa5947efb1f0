//go:build linux

package servers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

func (o Options) pureftpd(ctx context.Context, s *Server) (*program, error) {
	if o.RefuseEPSV {
		return nil, errors.New("pure-ftpd cannot refuse EPSV alone")
	}
	binds, err := o.accountFiles(ctx, s)
	if err != nil {
		return nil, err
	}
	path, env := unpacked(PureFTPd.files())
	argv := []string{
		path,
		"--login", "unix",
		"--chrooteveryone",
		"--noanonymous",
		"--dontresolve",
		"--minuid", "1000",
		"--bind", fmt.Sprintf("%s,21", o.Addr),
		"--passiveportrange", fmt.Sprintf("%d:%d", o.PassivePorts[0], o.PassivePorts[1]),
		"--pidfile", s.path("pid"),
		"--altlog", "clf:" + s.path("transfers.log"),
		"--umask", "133:022",
	}
	argv = append(argv, o.pureftpdTLS(s)...)
	if o.PassiveAddr.IsValid() {
		argv = append(argv, "--forcepassiveip", o.PassiveAddr.String())
	}
	if o.MaxPerClient > 0 {
		argv = append(argv, "--maxclientsperip", strconv.Itoa(o.MaxPerClient))
	}
	if o.Rate > 0 {
		argv = append(argv, "--userbandwidth", fmt.Sprintf(":%d", max(1, o.Rate>>10)))
	}
	return &program{argv: append(argv, o.Settings...), env: env, binds: binds}, nil
}

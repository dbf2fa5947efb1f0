//go:build linux

package servers

import (
	_ "embed"
	"encoding/json"
	"strings"
)

//go:embed pyftpd.py
var pyftpdlibScript string

func (o Options) pyftpdlib(s *Server) (*program, error) {
	passive := ""
	if o.PassiveAddr.IsValid() {
		passive = o.PassiveAddr.String()
	}
	certificate := ""
	if o.TLS != nil {
		certificate = s.path(certificateFile)
	}
	settings, err := json.Marshal(map[string]any{
		"addr":           o.Addr,
		"user":           o.User,
		"password":       o.Password,
		"root":           s.Root,
		"account":        accountID,
		"refuse_epsv":    o.RefuseEPSV,
		"passive_addr":   passive,
		"passive_ports":  o.PassivePorts,
		"max_per_client": o.MaxPerClient,
		"rate":           o.Rate,
		"certificate":    certificate,
		"settings":       strings.Join(o.Settings, "\n"),
	})
	if err != nil {
		return nil, err
	}
	if err := s.write("pyftpd.py", pyftpdlibScript); err != nil {
		return nil, err
	}
	return &program{argv: []string{systemPython, "-I", "-W", "ignore", s.path("pyftpd.py"), string(settings)}}, nil
}

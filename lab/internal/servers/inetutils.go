//go:build linux

package servers

import "context"

// inetutils is GNU's descendant of the BSD server. It puts itself into the
// background, listens on every address on the port that services(5) calls ftp,
// and has no setting for passive ports.
func (o Options) inetutils(ctx context.Context, s *Server) (*program, error) {
	binds, err := o.accountFiles(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := s.write("pam.d/ftp", vsftpdPAM); err != nil {
		return nil, err
	}
	path, env := unpacked(o.Kind.files())
	// The namespace lasts as long as what stays in the foreground.
	argv := append([]string{"sh", "-c", `"$@" && exec sleep infinity`, "sh", path, "-D"}, o.Settings...)
	return &program{argv: argv, env: env, binds: append(binds, [2]string{s.path("pam.d"), "/etc/pam.d"})}, nil
}

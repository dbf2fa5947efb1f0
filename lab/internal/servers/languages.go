//go:build linux

package servers

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"goftp.io/server/v2"
	"goftp.io/server/v2/driver/file"
)

// These are servers that exist as libraries of a language, run by a few lines
// of it.

var (
	//go:embed aioftp.py
	aioftpScript string
	//go:embed twistedftp.py
	twistedScript string
	//go:embed ftpsrv.js
	ftpSrvScript string
	//go:embed nodeftpd.js
	nodeFtpdScript string
)

// settings is what these few lines are told.
type settings struct {
	Addr         string
	Port         uint16
	User         string
	Password     string
	Root         string
	PassivePorts [2]uint16
}

// asJSON returns what the lines need, as an argument.
func (o Options) asJSON(s *Server) (string, error) {
	text, err := json.Marshal(settings{o.Addr.String(), o.Port(), o.User, o.Password, s.Root, o.PassivePorts})
	return string(text), err
}

func (o Options) aioftp(s *Server) (*program, error) {
	text, err := o.asJSON(s)
	return &program{argv: []string{systemPython, "-I", "-W", "ignore", "-c", aioftpScript, text}, unprivileged: true}, err
}

func (o Options) twisted(s *Server) (*program, error) {
	text, err := o.asJSON(s)
	return &program{argv: []string{systemPython, "-I", "-W", "ignore", "-c", twistedScript, text}, unprivileged: true}, err
}

func (o Options) ftpSrv(s *Server) (*program, error) { return o.node(s, ftpSrvScript) }

func (o Options) nodeFtpd(s *Server) (*program, error) { return o.node(s, nodeFtpdScript) }

// node runs a server that is a package of npm.
func (o Options) node(s *Server, script string) (*program, error) {
	text, err := o.asJSON(s)
	return &program{
		argv:         []string{"node", "-e", script, "--", text},
		env:          []string{"NODE_PATH=" + nodeModules()},
		unprivileged: true,
	}, err
}

// goftpVariable has a program that calls Main be this server.
const goftpVariable = "FTPNAT_LAB_GOFTP"

func (o Options) goftp(s *Server) (*program, error) {
	text, err := o.asJSON(s)
	// The folder of the program may not be the account's to enter: /proc is.
	return &program{
		argv:         []string{fmt.Sprintf("/proc/self/fd/%d", programFile)},
		env:          []string{goftpVariable + "=" + text},
		self:         true,
		unprivileged: true,
	}, err
}

// Main is the server, and does not return, in a process that Start has started
// for one. Programs and tests that start a Goftp call it first.
func Main() {
	text := os.Getenv(goftpVariable)
	if text == "" {
		return
	}
	if err := serveGoftp([]byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

func serveGoftp(text []byte) error {
	var o settings
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	driver, err := file.NewDriver(o.Root)
	if err != nil {
		return err
	}
	srv, err := server.NewServer(&server.Options{
		Driver:       driver,
		Auth:         &server.SimpleAuth{Name: o.User, Password: o.Password},
		Perm:         server.NewSimplePerm(o.User, "lab"),
		Hostname:     o.Addr,
		Port:         int(o.Port),
		PublicIP:     o.Addr,
		PassivePorts: fmt.Sprintf("%d-%d", o.PassivePorts[0], o.PassivePorts[1]),
	})
	if err != nil {
		return err
	}
	return errors.Join(srv.ListenAndServe(), errors.New("it ended"))
}

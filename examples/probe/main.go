// Probe says what is between this machine and an FTP server: NATs, firewalls
// and other boxes, which modes work, and what can be done where none does. It
// shows [ftpnat.Dialer.Probe]; the command ftpnat probe does more with it.
//
// Without a URL it probes a server of its own, which has two faults.
//
//	go run ./examples/probe
//	go run ./examples/probe ftp://user:password@ftp.example.com
//	go run ./examples/probe -json -map ftpes://ftp.example.com
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
	"github.com/ftpnat/ftpnat/portmap"
)

func main() {
	asJSON := flag.Bool("json", false, "print JSON")
	mapping := flag.Bool("map", false, "ask the router for a port by UPnP, NAT-PMP or PCP, for active mode")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := run(ctx, os.Stdout, *asJSON, *mapping, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// run probes the server that is named, or one of its own.
func run(ctx context.Context, stdout io.Writer, asJSON, mapping bool, args []string) error {
	if len(args) == 0 {
		// It refuses one mode, and names a private address in another.
		srv := ftptest.NewServer(nil, ftptest.Refuse("EPSV"), ftptest.Reply("PASV", "227 Entering Passive Mode (10,0,0,7,200,13)."))
		defer srv.Close()
		args = []string{srv.URL}
	}
	d, addr, err := dialer(args[0])
	if err != nil {
		return err
	}
	if mapping {
		m := new(portmap.Mapper)
		d.Mapper = m
		defer m.Close() // the router has its ports back
	}
	r, err := d.Probe(ctx, addr)
	if err != nil {
		return err
	}
	if err := show(stdout, r, asJSON); err != nil {
		return err
	}
	return r.Err() // why no mode works, or nil
}

// dialer returns what the server of a URL is probed with, and its address. The
// errors do not repeat the URL: it may have a password in it.
func dialer(raw string) (*ftpnat.Dialer, string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil, "", errors.New("want a URL such as ftp://user:password@ftp.example.com")
	}
	d := &ftpnat.Dialer{User: u.User.Username()}
	d.Password, _ = u.User.Password()
	port := "21"
	switch u.Scheme {
	case "ftp":
	case "ftpes":
		d.TLSConfig = new(tls.Config)
	case "ftps":
		d.TLSConfig, d.ImplicitTLS, port = new(tls.Config), true, "990"
	default:
		return nil, "", errors.New("want a URL with ftp://, ftpes:// or ftps://")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return d, net.JoinHostPort(u.Hostname(), port), nil
}

// show writes a report for a person or for a program.
func show(w io.Writer, r *ftpnat.Report, asJSON bool) error {
	if !asJSON {
		_, err := io.WriteString(w, r.String())
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

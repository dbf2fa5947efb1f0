// Probe says what is between this machine and an FTP server: NATs, firewalls
// and other boxes, which modes work, and what can be done where none does.
//
// With a URL it probes a real server, whose files it does not change. Without
// one it shows what it would find: it has a server and networks of its own, one
// for each kind of box.
//
//	go run ./examples/probe
//	go run ./examples/probe ftp://user:password@ftp.example.com
//	go run ./examples/probe ftpes://ftp.example.com -json -proxy socks5://localhost:1080
//	go run ./examples/probe ftp://ftp.example.com -map
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/portmap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The results of the program.
const (
	exitOK          = 0 // a mode works
	exitFailed      = 1 // none does, or the server could not be reached
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "probe: %v\n", err)
		return exitUsage
	}
	do := probeBoxes
	if o.addr != "" {
		do = probeServer
	}
	err = do(ctx, o, stdout)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "probe: interrupted")
		return exitInterrupted
	case err == errShown:
		return exitFailed
	case err != nil:
		fmt.Fprintf(stderr, "probe: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// errShown says that no mode works, which the report says already.
var errShown = errors.New("see above")

// probeServer probes the server of the command line. Ports that it was given by
// the router are given back before it returns.
func probeServer(ctx context.Context, o *options, stdout io.Writer) (err error) {
	if o.mapping {
		m := new(portmap.Mapper)
		o.dialer.Mapper = m
		defer func() {
			if cerr := m.Close(); cerr != nil && (err == nil || err == errShown) {
				err = fmt.Errorf("a port of the router's stays open for a while: %w", cerr)
			}
		}()
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	r, err := o.dialer.Probe(ctx, o.addr)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("no report within %v", o.timeout)
	case err != nil:
		return err
	}
	if err := write(stdout, o.json, r, r.String()); err != nil {
		return err
	}
	if r.Mode == 0 {
		return errShown
	}
	return nil
}

// write writes what is for programs, or what is for people.
func write(w io.Writer, asJSON bool, v any, text string) error {
	if !asJSON {
		_, err := io.WriteString(w, text)
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// A finding is the report on one of the boxes.
type finding struct {
	Box    string         `json:"box"`
	Path   string         `json:"path"`
	Report *ftpnat.Report `json:"report"`
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
)

// options is what the command line says.
type options struct {
	scenario string
	list     bool
	svg      string // file for the sequence chart of the scenario
	quiet    bool
	url      string // of a real server; empty means to play scenarios
	set      settings
}

const usage = `usage: fallback [-scenario name [-svg file] | -list] [-quiet]
       fallback [-modes m,...] [-public addr] [-ports lo-hi] [-timeout d] [-quiet] url

Without a URL, plays scenarios with a server and a network of its own. With one
(ftp://user:password@host/dir, or ftpes, or ftps), lists and reads from there.

`

// parse reads the command line. What is wrong with a flag, and the help that
// was asked for, it has printed to stderr already.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("fallback", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.scenario, "scenario", "", "play the scenario of this `name` alone")
	f.BoolVar(&o.list, "list", false, "print the names of the scenarios")
	f.StringVar(&o.svg, "svg", "", "draw the dialogue of the scenario into this `file`, as a sequence chart")
	f.BoolVar(&o.quiet, "quiet", false, "print the summary alone")
	f.Func("modes", "the `modes` to try, in order: EPSV,PASV,PORT,EPRT", o.set.setModes)
	f.TextVar(&o.set.public, "public", netip.Addr{}, "the public `address` to name in active mode")
	f.Func("ports", "the `range` to listen on in active mode: 40000-40009", o.set.setPorts)
	f.DurationVar(&o.set.timeout, "timeout", 0, "the limit of one attempt, such as 5s (default 15s)")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (-help lists the flags)", err)
	case f.NArg() > 1:
		return nil, fmt.Errorf("one URL can be visited, %d arguments were given (flags come first)", f.NArg())
	}
	o.url = f.Arg(0)
	return o, o.check(f)
}

// check finds what does not go together.
func (o *options) check(f *flag.FlagSet) error {
	if o.url != "" {
		if o.scenario != "" || o.list || o.svg != "" {
			return errors.New("-scenario, -svg and -list are for the scenarios and a URL is for a real server")
		}
		return checkURL(o.url)
	}
	if o.svg != "" && o.scenario == "" {
		return errors.New("-svg draws one scenario, which -scenario names")
	}
	var err error
	f.Visit(func(fl *flag.Flag) {
		if slices.Contains([]string{"modes", "public", "ports", "timeout"}, fl.Name) {
			err = fmt.Errorf("-%s is for a real server and needs a URL", fl.Name)
		}
	})
	if err != nil || o.scenario == "" {
		return err
	}
	var names []string
	for _, s := range scenarios {
		if s.name == o.scenario {
			return nil
		}
		names = append(names, s.name)
	}
	return fmt.Errorf("there is no scenario %q; there are:\n  %s", o.scenario, strings.Join(names, "\n  "))
}

// chosen returns the scenarios to play.
func (o *options) chosen() []scenario {
	if o.scenario == "" {
		return scenarios
	}
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == o.scenario })
	return scenarios[i : i+1]
}

// checkURL finds what is wrong with a URL. The errors do not repeat it: it may
// have a password in it.
func checkURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		var detail *url.Error
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return fmt.Errorf("the URL cannot be read: %w", err)
	case !slices.Contains([]string{"ftp", "ftpes", "ftps"}, u.Scheme) || u.Hostname() == "":
		return errors.New("the URL has to be of the form ftp://user:password@host/dir, or ftpes or ftps")
	}
	return nil
}

func (s *settings) setModes(list string) error {
	s.modes = nil
	for name := range strings.SplitSeq(list, ",") {
		var m ftpnat.Mode
		if err := m.UnmarshalText([]byte(strings.ToUpper(strings.TrimSpace(name)))); err != nil {
			return err
		}
		s.modes = append(s.modes, m)
	}
	return nil
}

func (s *settings) setPorts(text string) error {
	lo, hi, _ := strings.Cut(text, "-")
	first, err := strconv.ParseUint(lo, 10, 16)
	if err != nil {
		return errors.New("want two ports, such as 40000-40009")
	}
	last, err := strconv.ParseUint(hi, 10, 16)
	if err != nil || first == 0 || last < first {
		return errors.New("want two ports, the smaller one first, such as 40000-40009")
	}
	s.ports = [2]uint16{uint16(first), uint16(last)}
	return nil
}

// dialer returns a Dialer with these settings.
func (s settings) dialer() *ftpnat.Dialer {
	return &ftpnat.Dialer{
		Modes:          s.modes,
		PublicAddr:     s.public,
		ListenPorts:    s.ports,
		AttemptTimeout: s.timeout,
		MaxConns:       1, // so that there is one dialogue
	}
}

// String returns the settings as the fields of a Dialer in Go, and nothing for
// none.
func (s settings) String() string {
	var fields []string
	add := func(set bool, format string, args ...any) {
		if set {
			fields = append(fields, fmt.Sprintf(format, args...))
		}
	}
	var modes []string
	for _, m := range s.modes {
		modes = append(modes, m.String())
	}
	add(len(modes) > 0, "Modes: {%s}", strings.Join(modes, ", "))
	add(s.public.IsValid(), "PublicAddr: %v", s.public)
	add(s.ports != [2]uint16{}, "ListenPorts: {%d, %d}", s.ports[0], s.ports[1])
	add(s.timeout > 0, "AttemptTimeout: %v", s.timeout.Round(time.Millisecond))
	return strings.Join(fields, ", ")
}

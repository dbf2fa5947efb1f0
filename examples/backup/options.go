package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// options is what the command line says.
type options struct {
	url     string // empty means to verify alone
	target  string // empty means the demonstration
	verify  bool
	delete  bool
	verbose bool
	jobs    int
	retry   time.Duration
}

const usage = `usage: backup [flags] url target
       backup -verify target
       backup                      (shows what it does with a server of its own)

Copies the tree at url (ftp://user:password@host/dir, or ftpes, or ftps) into
target: a folder, or an archive where the name ends in .tar or .zip. Given again,
the same command reads what is new or changed, and goes on where it was stopped.

`

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("backup", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.verify, "verify", false, "read what is in target and compare it with the manifest; with a url,\nread damaged files again from there")
	f.BoolVar(&o.delete, "delete", false, "remove from target what the server no longer has")
	f.BoolVar(&o.verbose, "v", false, "print every file")
	f.IntVar(&o.jobs, "jobs", 4, "how many files to read at the same `time`")
	f.DurationVar(&o.retry, "retry", 2*time.Minute, "how `long` to try again when the connection breaks")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (-help lists the flags)", err)
	}
	return o, o.take(f)
}

// take takes the arguments, and finds what does not go together.
func (o *options) take(f *flag.FlagSet) error {
	switch {
	case f.NArg() == 0 && f.NFlag() == 0:
		return nil
	case f.NArg() == 1 && o.verify:
		if o.target = f.Arg(0); strings.Contains(o.target, "://") {
			return errors.New("-verify needs a target, with or without a url")
		}
	case f.NArg() == 2:
		o.url, o.target = f.Arg(0), f.Arg(1)
		if err := checkURL(o.url); err != nil {
			return err
		}
	default:
		return errors.New("want a url and a target (flags come first; -help says more)")
	}
	switch {
	case o.target == "":
		return errors.New("the target has no name")
	case o.jobs < 1 || o.jobs > 64:
		return errors.New("-jobs has to be between 1 and 64")
	case o.retry <= 0:
		o.retry = -1 // a Dialer takes zero for its default
	}
	return nil
}

// checkURL finds what is wrong with a URL. The errors do not repeat it: it may
// have a password in it.
func checkURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		if detail, ok := errors.AsType[*url.Error](err); ok {
			err = detail.Err
		}
		return fmt.Errorf("the url cannot be read: %w", err)
	case !slices.Contains([]string{"ftp", "ftpes", "ftps"}, u.Scheme) || u.Hostname() == "":
		return errors.New("the url has to be of the form ftp://user:password@host/dir, or ftpes or ftps")
	}
	return nil
}

// sourceOf returns a URL without its password.
func sourceOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return strings.TrimSuffix(u.String(), "/")
}

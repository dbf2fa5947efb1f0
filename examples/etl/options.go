package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// options is what the command line says.
type options struct {
	url      string // empty means the demonstration
	database string
	table    table
	match    string // of the names of files
	comma    rune
	retry    time.Duration
}

const usage = `usage: etl [flags] -table name -columns list url database
       etl                         (shows what it does with a server of its own)

Loads the files at url (ftp://user:password@host/dir, or ftpes, or ftps) that
match into a table of an SQLite database. The first line of each file names its
columns. Given again, the same command loads what is new or changed.

A column is a name and a type, one of text (the default), integer, real, date
and time, with a ? where a field may be empty: day:date,id:integer,note,paid:real?

`

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	comma := ","
	f := flag.NewFlagSet("etl", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.table.name, "table", "", "the `name` of the table")
	f.Func("columns", "the `list` of its columns", o.table.setColumns)
	f.StringVar(&o.match, "match", "*.csv *.csv.gz", "the `patterns` of files to load, separated by spaces")
	f.StringVar(&comma, "comma", comma, "the `character` between two fields")
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
	case f.NArg() == 0 && f.NFlag() == 0:
		return o, nil
	case f.NArg() != 2 || f.Arg(1) == "":
		return nil, errors.New("want a url and a database (flags come first; -help says more)")
	}
	o.url, o.database = f.Arg(0), f.Arg(1)
	if o.retry <= 0 {
		o.retry = -1 // a Dialer takes zero for its default
	}
	return o, errors.Join(o.setComma(comma), o.check())
}

func (o *options) setComma(s string) error {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || n != len(s) || r == '"' || r == '\n' || r == '\r' || r == utf8.RuneError {
		return errors.New("-comma has to be one character, and no quote")
	}
	o.comma = r
	return nil
}

// check finds what cannot be right. The errors do not repeat the URL: it may
// have a password in it.
func (o *options) check() error {
	for _, p := range patterns(o.match) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("-match: %q is no pattern", p)
		}
	}
	u, err := url.Parse(o.url)
	switch {
	case err != nil:
		if detail, ok := errors.AsType[*url.Error](err); ok {
			err = detail.Err
		}
		return fmt.Errorf("the url cannot be read: %w", err)
	case !slices.Contains([]string{"ftp", "ftpes", "ftps"}, u.Scheme) || u.Hostname() == "":
		return errors.New("the url has to be of the form ftp://user:password@host/dir, or ftpes or ftps")
	}
	return o.table.check()
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

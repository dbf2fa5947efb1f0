//go:build linux

// Command compare runs ftpnat beside other FTP clients on every path of the
// laboratory and shows who gets through.
//
//	sudo lab/compare/install.sh
//	sudo go run ./lab/compare -readme docs/paths.md
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
	"github.com/ftpnat/ftpnat/lab/internal/page"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// defaultPicture is the name of the picture, which is in the folder of the page.
const defaultPicture = "paths.svg"

func main() { cli.Main("compare", run) }

// options are the flags.
type options struct {
	picture, markdown, readme string
	limit                     time.Duration
	path                      string
	list                      bool
}

func parse(args []string, output io.Writer) (o options, err error) {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(output)
	f.StringVar(&o.picture, "o", "", "draw the picture into this `file` (SVG)")
	f.StringVar(&o.markdown, "md", "", "write the table into this `file` (Markdown)")
	f.StringVar(&o.readme, "readme", "", "put picture and table between the marks of this `page`, such as docs/paths.md; the picture is "+defaultPicture+" beside it unless -o names it")
	f.DurationVar(&o.limit, "limit", time.Minute, "stop a client after this `time`")
	f.StringVar(&o.path, "path", "", "run only the path of this `name`")
	f.BoolVar(&o.list, "list", false, "list the paths and end")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	case o.limit <= 0:
		return o, fmt.Errorf("-limit %v is no time to wait", o.limit)
	case o.readme != "" && o.path != "":
		return o, errors.New("-readme shows all paths, and -path runs one")
	case o.readme != "" && o.picture == "":
		o.picture = filepath.Join(filepath.Dir(o.readme), defaultPicture)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	ps, err := choose(o.path)
	if err != nil {
		return err
	}
	if o.list {
		for _, p := range ps {
			fmt.Fprint(stdout, pad(p.Name, pathWidth), p.About, "\n")
		}
		return nil
	}
	return cli.InLab(ctx, func() error {
		r, err := compare(ctx, ps, contenders(), o.limit, stdout)
		if err != nil {
			return err
		}
		return o.write(r)
	})
}

// choose returns the path of that name, or all.
func choose(name string) ([]paths.Path, error) {
	all := append(paths.Solvable(), paths.NothingWorks)
	if name == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(p paths.Path) bool { return p.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no path %q; -list has their names", name)
	}
	return all[i : i+1], nil
}

// compare runs the contest and prints the table while it goes.
func compare(ctx context.Context, ps []paths.Path, cs []contender, limit time.Duration, stdout io.Writer) (*report, error) {
	r := &report{Date: time.Now().UTC(), System: page.System(), Limit: limit}
	for _, c := range cs {
		p, err := peer.Identify(ctx, c.name(), c.version)
		if err != nil {
			return nil, err
		}
		r.Clients = append(r.Clients, p)
	}
	if err := r.textHead(stdout); err != nil {
		return nil, err
	}
	err := contest(ctx, ps, cs, limit, func(cells []cell) error {
		p := ps[len(r.Rows)]
		row := row{Name: p.Name, About: p.About, Solvable: p.Name != paths.NothingWorks.Name, Settings: settings(p.Settings), Cells: cells}
		r.Rows = append(r.Rows, row)
		return row.text(stdout)
	})
	if err != nil {
		return nil, err
	}
	return r, r.textFoot(stdout)
}

// write leaves the report in the files that were asked for.
func (o options) write(r *report) error {
	if o.picture != "" {
		if err := page.Write(o.picture, r.svg); err != nil {
			return err
		}
	}
	if o.markdown != "" {
		if err := page.Write(o.markdown, func(w io.Writer) error { return r.markdown(w, "") }); err != nil {
			return err
		}
	}
	if o.readme == "" {
		return nil
	}
	link, err := filepath.Rel(filepath.Dir(o.readme), o.picture)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := r.markdown(&b, filepath.ToSlash(link)); err != nil {
		return err
	}
	return page.Insert(o.readme, "compare", b.Bytes())
}

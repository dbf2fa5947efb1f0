package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"
)

// findOptions are the flags of find.
type findOptions struct {
	name, kind   string
	newer, older time.Duration
	larger, less int64
	json, urls   bool
	zero         bool
	now          time.Time
}

func (a *app) findCommand() *cobra.Command {
	var o findOptions
	c := &cobra.Command{
		Use:   "find URL",
		Short: "Find files in a tree by name, type, age or size",
		Example: "  ftpnat find ftp.example.com/pub --name '*.csv' --newer 24h\n" +
			"  ftpnat find ftp.example.com --name 'logs/**/*.gz' --larger 1000000 --url",
		Args: arguments(1, 1, "one URL"),
		RunE: a.run(func(ctx context.Context, args []string) error { return a.find(ctx, o, args[0]) }),
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.name, "name", "", "names that match this `pattern`: "+patternHelp)
	f.StringVar(&o.kind, "type", "", "this `type` alone: file, dir or link")
	f.DurationVar(&o.newer, "newer", 0, "changed within this time, such as 90m or 24h")
	f.DurationVar(&o.older, "older", 0, "not changed within this time")
	f.Int64Var(&o.larger, "larger", -1, "files of more than this number of `bytes`")
	f.Int64Var(&o.less, "smaller", -1, "files of fewer than this number of `bytes`")
	for _, name := range []string{"larger", "smaller"} {
		f.Lookup(name).DefValue = "0" // which is not shown
	}
	f.BoolVar(&o.urls, "url", false, "print URLs in place of paths")
	f.BoolVarP(&o.zero, "null", "0", false, "end each name with a zero byte, for xargs -0")
	f.BoolVar(&o.json, "json", false, "print a JSON object per file, on a line of its own")
	return c
}

func (o *findOptions) check() error {
	switch o.kind {
	case "", "file", "dir", "link":
	default:
		return usagef("--type %s: want file, dir or link", o.kind)
	}
	if o.name != "" && !doublestar.ValidatePattern(o.name) {
		return usagef("--name: the pattern cannot be read")
	}
	return nil
}

func (o *findOptions) match(it item) bool {
	age := time.Duration(-1)
	if it.ModTime != nil {
		age = o.now.Sub(*it.ModTime)
	}
	switch {
	case o.kind != "" && it.Type != o.kind,
		o.name != "" && !matchPath(o.name, it.Path),
		o.newer > 0 && (it.ModTime == nil || age > o.newer),
		o.older > 0 && (it.ModTime == nil || age < o.older),
		o.larger >= 0 && (it.Type != "file" || it.Size <= o.larger),
		o.less >= 0 && (it.Type != "file" || it.Size >= o.less):
		return false
	}
	return true
}

func (a *app) find(ctx context.Context, o findOptions, arg string) error {
	if err := o.check(); err != nil {
		return err
	}
	o.now = time.Now()
	s, t, err := a.openArg(ctx, arg)
	if err != nil {
		return err
	}
	end := "\n"
	if o.zero {
		end = "\x00"
	}
	w := bufio.NewWriter(a.out)
	err = s.walk(t, func(it item) error {
		switch {
		case !o.match(it):
			return nil
		case o.json:
			return writeJSON(w, it)
		case o.urls:
			_, err := fmt.Fprint(w, it.URL+end)
			return localWrite(err)
		}
		_, err := fmt.Fprint(w, a.name(it.Path)+end)
		return localWrite(err)
	})
	return errors.Join(localWrite(w.Flush()), at(t, err))
}

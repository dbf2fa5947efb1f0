package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// treeOptions are the flags of the commands that copy trees.
type treeOptions struct {
	parallel int
	verify   string
	filter   filter
	remove   bool
	dry      bool
}

func (o *treeOptions) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.IntVarP(&o.parallel, "parallel", "P", 4, "copy so many files at the same time, over as many connections")
	f.StringVar(&o.verify, "verify", string(byTime), "compare files that are on both sides by size, by time (size and time), or by hash (the content; copies too)")
	f.StringArrayVar(&o.filter.include, "include", nil, "copy only files that match this `pattern`: "+patternHelp)
	f.StringArrayVar(&o.filter.exclude, "exclude", nil, "leave out files and directories that match this `pattern`")
}

func (o *treeOptions) check() error {
	if o.parallel < 1 || o.parallel > 64 {
		return usagef("--parallel %d: want 1 to 64", o.parallel)
	}
	switch verify(o.verify) {
	case bySize, byTime, byHash:
	default:
		return usagef("--verify %s: want size, time or hash", o.verify)
	}
	return o.filter.check()
}

func (a *app) mirrorCommand() *cobra.Command {
	var o treeOptions
	c := &cobra.Command{
		Use:   "mirror SRC DST",
		Short: "Make a tree like another one: from a server, or to it",
		Long: "Make the directory DST like the directory SRC. One of the two is a URL, the other a local path.\n" +
			"Files that are the same on both sides are not copied, so that the same command goes on where an\n" +
			"earlier one stopped. Links to files are copied as files; links to directories are left out.",
		Example: "  ftpnat mirror ftp://ftp.example.com/pub ./pub\n  ftpnat mirror --delete --dry-run ./site ftpes://joe@ftp.example.com/www\n" +
			"  ftpnat mirror --include '**/*.csv' --exclude tmp ftp://ftp.example.com/in ./in",
		Args: arguments(2, 2, "two arguments, one of them a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error { return a.mirror(ctx, o, args[0], args[1]) }),
	}
	f := c.Flags()
	o.add(f)
	f.BoolVar(&o.remove, "delete", false, "remove what SRC does not have from DST, unless something failed; what --include and --exclude leave out stays")
	f.BoolVarP(&o.dry, "dry-run", "n", false, "print what would be done, and do nothing")
	return c
}

// sides says which of two arguments is on the server.
func sides(src, dst string) (up bool, err error) {
	from, to := hasScheme(src), hasScheme(dst)
	if !from && !to {
		from, to = !looksLocal(src) && looksLocal(dst), looksLocal(src) && !looksLocal(dst)
	}
	switch {
	case from && to:
		return false, usagef("both arguments are URLs: one of them has to be a local directory")
	case !from && !to:
		return false, usagef("which of the two is on the server? Write ftp:// before it, or ./ before the other")
	}
	return to, nil
}

func (a *app) mirror(ctx context.Context, o treeOptions, src, dst string) error {
	if err := o.check(); err != nil {
		return err
	}
	up, err := sides(src, dst)
	if err != nil {
		return err
	}
	arg, dir := src, dst
	if up {
		arg, dir = dst, src
	}
	t, err := parseTarget(arg)
	if err != nil {
		return err
	}
	if up {
		if err := checkDir(dir); err != nil {
			return err
		}
	}
	s, err := a.open(ctx, t, o.parallel)
	if err != nil {
		return err
	}
	if !up {
		if info, err := s.Stat(t.name); err != nil {
			return at(t, err)
		} else if !info.IsDir() {
			return usagef("%s is a file: get copies it", t)
		}
	}
	return a.copyTree(ctx, s, t, dir, up, o)
}

// checkDir looks for a local directory before a server is bothered.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return usagef("%s is a file: put copies it", dir)
	}
	return localRead(err)
}

// copyTree makes a local directory and one of the server alike.
func (a *app) copyTree(ctx context.Context, s *session, t target, dir string, up bool, o treeOptions) error {
	a.up = up
	root, err := openRoot(dir, up, o.dry)
	if err != nil {
		return err
	}
	if root != nil {
		defer root.Close()
	}
	j := &job{
		carrier: carrier{app: a, fsys: s.FS, remote: t.name, local: root},
		up:      up, verify: verify(o.verify), filter: o.filter, remove: o.remove, dry: o.dry,
		label: filepath.Base(strings.TrimSuffix(t.name, "/")),
	}
	if j.label == "." {
		j.label = t.hostname()
	}
	return j.run(ctx, o.parallel)
}

// openRoot opens the local directory, outside of which nothing is read or
// written. It is made if files go into it, unless nothing is to be done.
func openRoot(dir string, up, dry bool) (*os.Root, error) {
	if !up && !dry {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, localWrite(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if dry && !up && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return root, localRead(err)
}

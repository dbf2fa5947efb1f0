package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/spf13/cobra"
)

// lsOptions are the flags of ls.
type lsOptions struct{ long, recursive, json bool }

func (a *app) lsCommand() *cobra.Command {
	var o lsOptions
	c := &cobra.Command{
		Use:     "ls URL...",
		Short:   "List directories and files",
		Example: "  ftpnat ls ftp.example.com/pub\n  ftpnat ls -lR ftpes://joe@ftp.example.com\n  ftpnat ls --json ftp://ftp.example.com/pub | jq .size",
		Args:    arguments(1, -1, "a URL"),
		RunE:    a.run(func(ctx context.Context, args []string) error { return a.ls(ctx, o, args) }),
	}
	c.Flags().BoolVarP(&o.long, "long", "l", false, "show type, permissions, size and time (UTC)")
	c.Flags().BoolVarP(&o.recursive, "recursive", "R", false, "list what is in directories too")
	c.Flags().BoolVar(&o.json, "json", false, "print a JSON object per file, on a line of its own")
	return c
}

func (a *app) ls(ctx context.Context, o lsOptions, args []string) error {
	w := bufio.NewWriter(a.out)
	print := func(it item) error {
		switch {
		case o.json:
			return writeJSON(w, it)
		case o.long:
			_, err := fmt.Fprintln(w, a.name(it.longLine()))
			return localWrite(err)
		}
		_, err := fmt.Fprintln(w, a.name(it.shortName()))
		return localWrite(err)
	}
	gap := ""
	return a.each(ctx, args, func(arg string) error {
		s, t, err := a.openArg(ctx, arg)
		if err != nil {
			return err
		}
		if len(args) > 1 && !o.json {
			fmt.Fprintf(w, "%s%s:\n", gap, t)
			gap = "\n"
		}
		err = s.list(t, o.recursive, print)
		if ferr := w.Flush(); ferr != nil {
			return localWrite(ferr)
		}
		return at(t, err)
	})
}

// list visits what is in a directory, or the one file that t names.
func (s *session) list(t target, deep bool, visit func(item) error) error {
	entries, err := s.ReadDir(t.name)
	if err != nil && len(entries) == 0 {
		info, serr := s.Stat(t.name)
		if serr != nil || info.IsDir() {
			return err
		}
		return visit(newItem(t, path.Base(t.name), info))
	}
	if deep {
		return s.walk(t, visit)
	}
	// What could be read is shown, whatever the rest was.
	return errors.Join(s.show(t, entries, visit), err)
}

// show visits the entries of a directory.
func (s *session) show(t target, entries []fs.DirEntry, visit func(item) error) error {
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if err := visit(newItem(t.join(e.Name()), e.Name(), info)); err != nil {
			return err
		}
	}
	return nil
}

// walk visits all that is below a directory. What cannot be listed is an error
// at the end, and no reason to leave out the rest.
func (s *session) walk(t target, visit func(item) error) error {
	var failed []error
	err := fs.WalkDir(s.FS, t.name, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if d == nil || networkFault(err) || name == t.name && wholeFault(err) {
				return err
			}
			failed = append(failed, err)
			return nil // what could be read of it is visited
		}
		if name == t.name {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		at := t
		at.setName(name)
		return visit(newItem(at, relative(t.name, name), info))
	})
	if err == nil && len(failed) > 0 {
		return newPartial("listed", failed)
	}
	return err
}

// relative returns a name from the directory root on.
func relative(root, name string) string {
	if root == "." {
		return name
	}
	if len(name) > len(root) {
		return name[len(root)+1:]
	}
	return path.Base(name)
}

package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"
)

func (a *app) rmCommand() *cobra.Command {
	var recursive, force bool
	c := &cobra.Command{
		Use:     "rm URL...",
		Short:   "Remove files, and with -r directories",
		Long:    "Remove files, and with -r directories and all that is in them. Links are removed and not followed.",
		Example: "  ftpnat rm joe@ftp.example.com/old.csv\n  ftpnat rm -r joe@ftp.example.com/2019",
		Args:    arguments(1, -1, "a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.each(ctx, args, func(arg string) error { return a.rm(ctx, arg, recursive, force) })
		}),
	}
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "remove directories with all that is in them")
	c.Flags().BoolVarP(&force, "force", "f", false, "it is no error if there is nothing of that name")
	return c
}

func (a *app) rm(ctx context.Context, arg string, recursive, force bool) error {
	t, err := parseTarget(arg)
	if err != nil {
		return err
	}
	if t.name == "." {
		return usagef("%s is the start of all that the server has: name a file or directory below it", t)
	}
	s, err := a.open(ctx, t, 0)
	if err != nil {
		return err
	}
	info, err := s.Lstat(t.name)
	if force && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	switch {
	case err != nil:
	case !info.IsDir():
		err = s.Remove(t.name)
	case !recursive:
		return usagef("%s is a directory: add -r to remove it with all that is in it", t)
	default:
		err = s.RemoveAll(t.name)
	}
	return at(t, err)
}

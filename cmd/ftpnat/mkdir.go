package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) mkdirCommand() *cobra.Command {
	var parents bool
	c := &cobra.Command{
		Use:     "mkdir URL...",
		Short:   "Make directories",
		Example: "  ftpnat mkdir -p joe@ftp.example.com/2026/11",
		Args:    arguments(1, -1, "a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.each(ctx, args, func(arg string) error {
				s, t, err := a.openArg(ctx, arg)
				if err != nil {
					return err
				}
				if parents {
					return at(t, s.MkdirAll(t.name, 0o777))
				}
				return at(t, s.Mkdir(t.name, 0o777))
			})
		}),
	}
	c.Flags().BoolVarP(&parents, "parents", "p", false, "make what is missing above too; it is no error if the directory exists")
	return c
}

package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) statCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "stat URL...",
		Short:   "Show what the server knows of files",
		Example: "  ftpnat stat ftp.example.com/pub/report.csv",
		Args:    arguments(1, -1, "a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.each(ctx, args, func(arg string) error { return a.stat(ctx, arg, asJSON) })
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object per file, on a line of its own")
	return c
}

func (a *app) stat(ctx context.Context, arg string, asJSON bool) error {
	s, t, err := a.openArg(ctx, arg)
	if err != nil {
		return err
	}
	info, err := s.Lstat(t.name)
	if err != nil {
		return at(t, err)
	}
	it := newItem(t, t.name, info)
	if it.Type == "file" {
		// A listing may be exact to the minute only, and in an unknown zone.
		if when, err := s.ModTime(t.name); err == nil {
			it.ModTime = &when
		}
	}
	if asJSON {
		return writeJSON(a.out, it)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, a.name(text))
		}
	}
	row("url", it.URL)
	row("type", it.Type)
	if it.Type == "file" {
		row("size", fmt.Sprintf("%d (%s)", it.Size, bytesText(it.Size)))
	}
	if it.ModTime != nil {
		row("changed", it.ModTime.Format(time.RFC3339))
	}
	row("mode", it.Mode)
	row("owner", it.Owner)
	row("group", it.Group)
	row("leads to", it.Target)
	return localWrite(w.Flush())
}

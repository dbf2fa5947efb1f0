package main

import (
	"context"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) mvCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mv URL NEW",
		Short: "Rename or move a file or directory on the server",
		Long: "Rename or move a file or directory on the server. NEW is a URL of the same server, or a path:\n" +
			"one that begins with a slash is as in the URL, another is seen from the directory of the file.\n" +
			"If NEW is a directory, or ends in a slash, the file is moved into it.",
		Example: "  ftpnat mv joe@ftp.example.com/in/a.csv b.csv\n  ftpnat mv joe@ftp.example.com/in/a.csv /done/\n" +
			"  ftpnat mv ftp://joe@ftp.example.com/in/a.csv ftp://joe@ftp.example.com/done/a.csv",
		Args: arguments(2, 2, "a URL and a new name"),
		RunE: a.run(func(ctx context.Context, args []string) error { return a.mv(ctx, args[0], args[1]) }),
	}
}

func (a *app) mv(ctx context.Context, from, to string) error {
	t, err := parseTarget(from)
	if err != nil {
		return err
	}
	dst, err := newName(t, from, to)
	if err != nil {
		return err
	}
	if t.name == "." || dst.name == "." && !dst.dir {
		return usagef("the start of all that the server has cannot be moved or replaced")
	}
	s, err := a.open(ctx, t, 0)
	if err != nil {
		return err
	}
	if !dst.dir {
		info, err := s.Stat(dst.name)
		dst.dir = err == nil && info.IsDir()
	}
	if dst.dir {
		dst = dst.join(path.Base(t.name))
	}
	return at(t, s.Rename(t.name, dst.name))
}

// newName is what the second argument of mv names.
func newName(t target, from, to string) (target, error) {
	authority, _, _ := strings.Cut(from, "/")
	switch {
	case hasScheme(to), !hasScheme(from) && strings.HasPrefix(to, authority+"/"):
		dst, err := parseTarget(to)
		if err == nil && dst.user == "" {
			dst.user = t.user
		}
		if err == nil && !dst.sameServer(t) {
			return dst, usagef("a file is moved on one server: to bring it to another one, get it and put it there")
		}
		return dst, err
	case strings.HasPrefix(to, "/"):
		dst := t
		dst.setName(to)
		dst.dir = strings.HasSuffix(to, "/")
		return dst, nil
	}
	dst := t
	dst.setName(path.Join(path.Dir("/"+t.name), to))
	dst.dir = strings.HasSuffix(to, "/")
	return dst, nil
}

package main

import (
	"context"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) putCommand() *cobra.Command {
	var o treeOptions
	c := &cobra.Command{
		Use:   "put LOCAL... URL",
		Short: "Copy files or trees to a server",
		Long: "Copy files or trees to a server. If the URL names a directory, or ends in a slash, the copies go into\n" +
			"it. A file appears under its name when it is complete, and replaces the one that is there. Of a tree,\n" +
			"files that are the same already are not copied. - is standard input.\n\n" +
			"A file of more than 4 MB that was interrupted goes on where it stopped when the same command is given\n" +
			"again, if the server allows that. Until then it is named .NAME.*" + partSuffix + " on the server.",
		Example: "  ftpnat put report.csv joe@ftp.example.com/in/\n  ftpnat put ./site ftpes://joe@ftp.example.com/www/\n  pg_dump db | gzip | ftpnat put - joe@ftp.example.com/db.sql.gz",
		Args:    arguments(2, -1, "local files and then a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			last := len(args) - 1
			return a.put(ctx, o, args[:last], args[last])
		}),
	}
	o.add(c.Flags())
	return c
}

func (a *app) put(ctx context.Context, o treeOptions, locals []string, arg string) error {
	t, err := parseTarget(arg)
	if err != nil {
		return err
	}
	if err := checkLocals(locals, t); err != nil {
		return err
	}
	s, err := a.open(ctx, t, o.parallel)
	if err != nil {
		return err
	}
	into := t.dir || len(locals) > 1
	if !into {
		info, err := s.Stat(t.name)
		into = err == nil && info.IsDir()
		if err != nil && codeOf(err) != codeNotFound {
			return at(t, err)
		}
	}
	for _, local := range locals {
		dst := t
		if into && local == "-" {
			return usagef("%s is a directory: standard input needs the name of a file", t)
		}
		if into {
			dst = t.join(localBase(local))
		}
		if err := a.putOne(ctx, s, o, local, dst, into); err != nil {
			return err
		}
	}
	return nil
}

// checkLocals finds what is not there, or would replace another one, before a
// server is bothered.
func checkLocals(locals []string, t target) error {
	seen := make(map[string]string)
	for _, local := range locals {
		base := localBase(local)
		if other, ok := seen[base]; ok {
			return usagef("%s and %s would both become %s on the server", other, local, base)
		}
		seen[base] = local
		switch {
		case local == "-" && (t.dir || len(locals) > 1):
			return usagef("standard input needs the name of a file on the server")
		case local == "-":
		default:
			if _, err := os.Stat(local); err != nil {
				return localRead(err)
			}
		}
	}
	return nil
}

// localBase is the last element of a path, of the current directory too.
func localBase(local string) string {
	if full, err := filepath.Abs(local); err == nil {
		local = full
	}
	return filepath.Base(local)
}

func (a *app) putOne(ctx context.Context, s *session, o treeOptions, local string, dst target, into bool) error {
	if local == "-" {
		return at(dst, a.putStream(ctx, s, dst))
	}
	if isDir(local) {
		if !into {
			// Once it is there, a copy goes into it.
			a.again = typed("mirror", asLocal(local), dst.String())
		}
		return a.copyTree(ctx, s, dst, local, true, o)
	}
	return at(dst, a.putFile(ctx, s, local, dst))
}

func (a *app) putStream(ctx context.Context, s *session, dst target) error {
	a.streamed = true
	c := a.newCarrier(ctx, s, path.Base(dst.name), -1)
	err := c.sendStream(ctx, dst, a.in)
	c.finish(err, path.Base(dst.name))
	return err
}

func (a *app) putFile(ctx context.Context, s *session, local string, dst target) error {
	a.up = true
	info, err := os.Stat(local)
	if err != nil {
		return localRead(err)
	}
	// A link may lead out of its directory.
	if local, err = filepath.EvalSymlinks(local); err != nil {
		return localRead(err)
	}
	dir, name := filepath.Split(local)
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return localRead(err)
	}
	defer root.Close()
	c := a.newCarrier(ctx, s, name, info.Size())
	c.local, c.localName, c.remote = root, name, path.Dir(dst.name)
	err = c.send(ctx, entry{name: path.Base(dst.name), size: info.Size(), time: info.ModTime()})
	c.finish(err, name)
	return err
}

package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ftpnat/ftpnat"
)

func (a *app) getCommand() *cobra.Command {
	var o treeOptions
	c := &cobra.Command{
		Use:   "get URL [LOCAL]",
		Short: "Copy a file or a tree from a server",
		Long: "Copy a file or a tree from a server, to LOCAL or into the current directory. If LOCAL is a directory\n" +
			"the copy goes into it; - is standard output. A file that is there is replaced when the new one is\n" +
			"complete. Of a tree, files that are the same already are not copied.",
		Example: "  ftpnat get ftp.example.com/pub/report.csv\n  ftpnat get ftpes://joe@ftp.example.com/reports ./backup/\n  ftpnat get ftp.example.com/dump.sql.gz - | gunzip | psql",
		Args:    arguments(1, 2, "a URL and perhaps a local path"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			local := ""
			if len(args) > 1 {
				local = args[1]
			}
			return a.get(ctx, o, args[0], local)
		}),
	}
	o.add(c.Flags())
	return c
}

func (a *app) get(ctx context.Context, o treeOptions, arg, local string) error {
	t, err := parseTarget(arg)
	if err != nil {
		return err
	}
	s, err := a.open(ctx, t, o.parallel)
	if err != nil {
		return err
	}
	if local == "-" {
		return at(t, a.catFile(s, t))
	}
	info, err := s.Stat(t.name)
	switch {
	case err != nil:
		return at(t, err)
	case info.IsDir():
		dir := treeDestination(t, local)
		if local != "" && dir == local && t.name != "." {
			// Once it is there, a copy goes into it.
			a.again = typed("mirror", t.String(), asLocal(dir))
		}
		return a.copyTree(ctx, s, t, dir, false, o)
	}
	return at(t, a.getFile(ctx, s, t, info, local))
}

// treeDestination is the local directory for a tree, as cp -r has it.
func treeDestination(t target, local string) string {
	name := path.Base(t.name)
	switch {
	case local == "" && t.name == ".":
		return t.hostname()
	case local == "":
		return name
	case t.name != "." && isDir(local):
		return filepath.Join(local, name)
	}
	return local
}

// asLocal is a local path that mirror takes for one.
func asLocal(name string) string {
	if looksLocal(name) || hasScheme(name) {
		return name
	}
	return "./" + name
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// getFile copies one file.
func (a *app) getFile(ctx context.Context, s *session, t target, info fs.FileInfo, local string) error {
	if there, err := os.Stat(local); err == nil && !there.IsDir() {
		if !there.Mode().IsRegular() {
			return a.getInto(s, t, local)
		}
		// A link stays, and what it leads to is replaced.
		if local, err = filepath.EvalSymlinks(local); err != nil {
			return localWrite(err)
		}
	}
	dir, name := ".", path.Base(t.name)
	switch {
	case local == "":
	case isDir(local) || strings.HasSuffix(local, "/") || strings.HasSuffix(local, string(filepath.Separator)):
		dir = local
	default:
		dir, name = filepath.Split(local)
		if dir == "" {
			dir = "."
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return localWrite(err)
	}
	defer root.Close()
	c := a.newCarrier(ctx, s, info.Name(), info.Size())
	c.local = root
	// The carrier knows one name for both sides; here there may be two.
	e := entry{name: path.Base(t.name), size: info.Size(), time: info.ModTime()}
	c.remote = path.Dir(t.name)
	c.localName = filepath.ToSlash(name)
	err = c.fetch(e)
	c.finish(err, name)
	return err
}

// getInto writes a file into what cannot be replaced by one: a device or a pipe.
func (a *app) getInto(s *session, t target, local string) error {
	dst, err := os.OpenFile(local, os.O_WRONLY, 0)
	if err != nil {
		return localWrite(err)
	}
	err = copyOut(dst, s, t)
	if cerr := dst.Close(); err == nil {
		err = localWrite(cerr)
	}
	return err
}

// newCarrier returns a carrier for one file.
func (a *app) newCarrier(ctx context.Context, s *session, label string, size int64) *carrier {
	c := &carrier{app: a, progress: a.newProgress(label, 1, size)}
	c.fsys = s.FS.WithContext(ftpnat.WithTrace(a.traced(ctx), c.progress.trace()))
	return c
}

// finish takes away the progress of one file and says what has crossed.
func (c *carrier) finish(err error, name string) {
	c.progress.clear()
	if err == nil {
		c.app.warn("%s: %s", printable(name), c.progress.summary())
	}
}

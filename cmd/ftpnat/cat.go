package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) catCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "cat URL...",
		Short:   "Write files to standard output",
		Long:    "Write files to standard output. An exit code other than 0 means that what was written is not all.",
		Example: "  ftpnat cat ftp.example.com/pub/report.csv.gz | gunzip",
		Args:    arguments(1, -1, "a URL"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			for _, arg := range args {
				s, t, err := a.openArg(ctx, arg)
				if err != nil {
					return err
				}
				if err := a.catFile(s, t); err != nil {
					return at(t, err)
				}
			}
			return nil
		}),
	}
}

// catFile writes one file to standard output.
func (a *app) catFile(s *session, t target) error { return copyOut(a.out, s, t) }

// copyOut writes one file to dst.
func copyOut(dst io.Writer, s *session, t target) error {
	f, err := s.Open(t.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return usagef("%s is a directory: ls lists it, and get copies it", t)
	}
	w := &localWriter{w: dst}
	_, err = io.Copy(w, f)
	if w.err != nil {
		return localWrite(w.err)
	}
	return err
}

// localWriter remembers an error of its own side.
type localWriter struct {
	w   io.Writer
	err error
}

func (l *localWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if err != nil {
		l.err = errors.Join(l.err, err)
	}
	return n, err
}

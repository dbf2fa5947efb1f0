package remote_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

var update = flag.Bool("update", false, "write testdata/outcomes.txt")

// jobs are what a Session does, with the files of newTree. Each returns what it found.
var jobs = []struct {
	name string
	do   func(ctx context.Context, s *remote.Session) (any, error)
}{
	{"list", func(ctx context.Context, s *remote.Session) (any, error) { return listed(s.List(ctx, "pub")) }},
	{"list the root", func(ctx context.Context, s *remote.Session) (any, error) { return listed(s.List(ctx, "")) }},
	{"list what is empty", func(ctx context.Context, s *remote.Session) (any, error) { return listed(s.List(ctx, "empty")) }},
	{"list what is missing", func(ctx context.Context, s *remote.Session) (any, error) { return listed(s.List(ctx, "none")) }},
	{"list a file", func(ctx context.Context, s *remote.Session) (any, error) { return listed(s.List(ctx, "top")) }},
	{"stat", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(remote.Stat(ctx, s, "pub/file", false))
	}},
	{"stat a directory", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(remote.Stat(ctx, s, "pub", true))
	}},
	{"stat what is missing", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(remote.Stat(ctx, s, "pub/none", false))
	}},
	{"lstat", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(remote.Lstat(ctx, s, "pub/file"))
	}},
	{"lookup", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(remote.Lookup(ctx, s, "pub/none", false))
	}},
	{"exists", func(ctx context.Context, s *remote.Session) (any, error) { return remote.Exists(ctx, s, "top") }},
	{"exists not", func(ctx context.Context, s *remote.Session) (any, error) { return remote.Exists(ctx, s, "none") }},
	{"quick", func(ctx context.Context, s *remote.Session) (any, error) {
		e, ok, err := remote.QuickStat(ctx, s, "pub/file")
		return fmt.Sprint(e.Size, ok), err
	}},
	{"quick, a directory", func(ctx context.Context, s *remote.Session) (any, error) {
		e, ok, err := remote.QuickStat(ctx, s, "pub")
		return fmt.Sprint(e.Size, ok), err
	}},
	{"size", func(ctx context.Context, s *remote.Session) (any, error) { return remote.Size(ctx, s, "top") }},
	{"size for a transfer", func(ctx context.Context, s *remote.Session) (any, error) {
		return remote.Size(ctx, s.ForTransfer(), "top")
	}},
	{"time", func(ctx context.Context, s *remote.Session) (any, error) {
		e := listing.Entry{Name: "top", Type: listing.TypeFile}
		err := remote.ModTime(ctx, s, "top", &e)
		return e.Precision, err
	}},
	{"mark", func(ctx context.Context, s *remote.Session) (any, error) {
		m, err := remote.MarkOf(ctx, s, "top", true)
		return fmt.Sprint(m.Size, m.Refused, m.Denied, !m.Time.IsZero()), err
	}},
	{"mark for a transfer", func(ctx context.Context, s *remote.Session) (any, error) {
		m, err := remote.MarkOf(ctx, s.ForTransfer(), "none", true)
		return fmt.Sprint(m.Size, m.Refused, m.Denied, !m.Time.IsZero()), err
	}},
	{"lacks", func(ctx context.Context, s *remote.Session) (any, error) {
		return remote.Lacks(ctx, s, "pub/none", remote.Mark{Size: -1, Refused: true})
	}},
	{"hash", func(ctx context.Context, s *remote.Session) (any, error) {
		d, ok, err := remote.Hash(ctx, s, "top")
		return fmt.Sprint(d.Name, len(d.Sum), ok), err
	}},
	{"hash by", func(ctx context.Context, s *remote.Session) (any, error) {
		sum, err := remote.HashBy(ctx, s, "top", "MD5")
		return len(sum), err
	}},
	{"mkdir", func(ctx context.Context, s *remote.Session) (any, error) { return nil, remote.Mkdir(ctx, s, "pub/new") }},
	{"mkdir, odd", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Mkdir(ctx, s, "pub/new ")
	}},
	{"mkdir again", func(ctx context.Context, s *remote.Session) (any, error) { return nil, remote.Mkdir(ctx, s, "pub") }},
	{"mkdir in nothing", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Mkdir(ctx, s, "none/new")
	}},
	{"delete", func(ctx context.Context, s *remote.Session) (any, error) { return nil, remote.Delete(ctx, s, "top") }},
	{"remove", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Remove(ctx, s, "top", true)
	}},
	{"remove a directory", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Remove(ctx, s, "empty", true)
	}},
	{"remove what is full", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Remove(ctx, s, "pub", true)
	}},
	{"remove what is missing", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Remove(ctx, s, "none", true)
	}},
	{"remove, twice", func(ctx context.Context, s *remote.Session) (any, error) {
		r := remote.Removal{Careful: true, Asks: true}
		err := r.Do(ctx, s, "top")
		if err == nil || proto.RefusedAt(err) {
			return "at once", err
		}
		return "again", r.Do(ctx, s, "top")
	}},
	{"remove a directory, twice", func(ctx context.Context, s *remote.Session) (any, error) {
		r := remote.Removal{}
		err := r.Do(ctx, s, "empty")
		if err == nil || proto.RefusedAt(err) {
			return "at once", err
		}
		return "again", r.Do(ctx, s, "empty")
	}},
	{"rename", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Rename(ctx, s, "top", "pub/new")
	}},
	{"rename over", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Rename(ctx, s, "top", "pub/file")
	}},
	{"rename what is missing", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Rename(ctx, s, "none", "pub/new")
	}},
	{"renamed", func(ctx context.Context, s *remote.Session) (any, error) {
		return remote.Renamed(ctx, s, "none", "top", int64(len(content)))
	}},
	{"renamed not", func(ctx context.Context, s *remote.Session) (any, error) {
		return remote.Renamed(ctx, s, "top", "none", -1)
	}},
	{"chtimes", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Chtimes(ctx, s, "top", time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	}},
	{"chmod", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.Chmod(ctx, s, "top", 0o600)
	}},
	{"kept", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, remote.KeptFile(ctx, s, "pub/odd ")
	}},
	{"read", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "top", 0) }},
	{"read the end", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "top", 3) }},
	{"read what is missing", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "none", 0) }},
	{"read a directory", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "pub", 0) }},
	{"list raw", func(ctx context.Context, s *remote.Session) (any, error) {
		raw, err := remote.ListRaw(ctx, s, "pub")
		return bytes.Count(raw, []byte("file")), err
	}},
	{"mkdir, as often as that may help", func(ctx context.Context, s *remote.Session) (any, error) {
		var m remote.Making
		return nil, often(ctx, func() error { return m.Do(ctx, s, "pub/new") })
	}},
	{"mkdir again, as often as that may help", func(ctx context.Context, s *remote.Session) (any, error) {
		var m remote.Making
		return nil, often(ctx, func() error { return m.Do(ctx, s, "top") })
	}},
	{"remove, as often as that may help", func(ctx context.Context, s *remote.Session) (any, error) {
		r := remote.Removal{Careful: true, Asks: true}
		return nil, often(ctx, func() error { return r.Do(ctx, s, "top") })
	}},
	{"rename, as often as that may help", func(ctx context.Context, s *remote.Session) (any, error) {
		r := remote.Renaming{From: "top", To: "pub/new", Size: int64(len(content))}
		return nil, often(ctx, func() error { return r.Do(ctx, s) })
	}},
	{"rename a directory, as often as that may help", func(ctx context.Context, s *remote.Session) (any, error) {
		r := remote.Renaming{From: "empty", To: "pub/new", Size: -1}
		return nil, often(ctx, func() error { return r.Do(ctx, s) })
	}},
	{"list what has an odd name", func(ctx context.Context, s *remote.Session) (any, error) {
		if err := remote.Mkdir(ctx, s, "pub/a[b]"); err != nil {
			return nil, err
		}
		return listed(s.List(ctx, "pub/a[b]"))
	}},
}

// often has something be tried three times, as long as its error is worth that.
func often(ctx context.Context, try func() error) error {
	n := 0
	return retry.Do(ctx, time.Hour, func() error {
		if n++; n == 3 {
			return retry.Permanent(try())
		}
		return try()
	})
}

// listed describes a listing by its names.
func listed(entries []listing.Entry, err error) (any, error) {
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names, err
}

// found describes an entry.
func found(e listing.Entry, err error) (any, error) {
	return fmt.Sprint(e.Name, " ", e.Type, e.Size, e.Precision), err
}

// read reads a file from an offset on.
func read(ctx context.Context, s *remote.Session, name string, off int64) (any, error) {
	t, err := remote.Read(ctx, s, name, off, -1)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(t)
	if err = t.End(ctx, err); err == io.EOF {
		err = nil
	}
	return string(got), err
}

// errorKinds are what an error can be to its caller.
var errorKinds = []error{proto.ErrNoVerdict, proto.ErrMismatch, proto.ErrShort, proto.ErrChanged, proto.ErrTruncated, proto.ErrMissing, proto.ErrIsDir, proto.ErrNotDir, proto.ErrNotEmpty,
	proto.ErrNoRestart, remote.ErrUnsettled, fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, errors.ErrUnsupported, proto.ErrLost, proto.ErrSilent}

// TestOutcomes has something go wrong with each command of each job, on three servers:
// what comes of it is in testdata/outcomes.txt. A listing that is nil is whole.
func TestOutcomes(t *testing.T) {
	var table ftpworld.Table
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), ftptest.ProFTPD()} {
		for _, j := range jobs {
			plain, commands := outcome(t, p, nil, j.do)
			table.Job(p.Name+", "+j.name, plain, ftpworld.Troubles(commands), func(tr ftpworld.Trouble) string {
				what, _ := outcome(t, p, tr.Steps, j.do)
				return what
			})
		}
	}
	table.Compare(t, filepath.Join("testdata", "outcomes.txt"), *update)
}

// outcome does a job and returns what came of it, and the commands it took.
func outcome(t *testing.T, p ftptest.Personality, script []ftptest.Step, do func(context.Context, *remote.Session) (any, error)) (what string, commands []string) {
	run(t, func(s *ftptest.Server) { s.Personality, s.Script = p, script }, func(_ *testing.T, w *world) {
		got, err := do(w.ctx, w.Session)
		commands = ftpworld.Sent(w.srv)
		what = ftpworld.Outcome(err, proto.ReplyOf(err).Code, errorKinds, commands)
		if got != nil && err == nil {
			what = fmt.Sprint(got, " ", what)
		}
	})
	return what, commands
}

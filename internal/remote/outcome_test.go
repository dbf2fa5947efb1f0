package remote_test

import (
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
		return found(s.Stat(ctx, "pub/file", false))
	}},
	{"stat a directory", func(ctx context.Context, s *remote.Session) (any, error) { return found(s.Stat(ctx, "pub", true)) }},
	{"stat what is missing", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(s.Stat(ctx, "pub/none", false))
	}},
	{"lstat", func(ctx context.Context, s *remote.Session) (any, error) { return found(s.Lstat(ctx, "pub/file")) }},
	{"lookup", func(ctx context.Context, s *remote.Session) (any, error) {
		return found(s.Lookup(ctx, "pub/none", false))
	}},
	{"exists", func(ctx context.Context, s *remote.Session) (any, error) { return s.Exists(ctx, "top") }},
	{"exists not", func(ctx context.Context, s *remote.Session) (any, error) { return s.Exists(ctx, "none") }},
	{"quick", func(ctx context.Context, s *remote.Session) (any, error) {
		e, ok, err := s.QuickStat(ctx, "pub/file")
		return fmt.Sprint(e.Size, ok), err
	}},
	{"quick, a directory", func(ctx context.Context, s *remote.Session) (any, error) {
		e, ok, err := s.QuickStat(ctx, "pub")
		return fmt.Sprint(e.Size, ok), err
	}},
	{"size", func(ctx context.Context, s *remote.Session) (any, error) { return s.Size(ctx, "top") }},
	{"size for a transfer", func(ctx context.Context, s *remote.Session) (any, error) { return s.ForTransfer().Size(ctx, "top") }},
	{"time", func(ctx context.Context, s *remote.Session) (any, error) {
		e := listing.Entry{Name: "top", Type: listing.TypeFile}
		err := s.ModTime(ctx, "top", &e)
		return e.Precision, err
	}},
	{"mark", func(ctx context.Context, s *remote.Session) (any, error) {
		m, err := s.Mark(ctx, "top", true)
		return fmt.Sprint(m.Size, m.Refused, m.Denied, !m.Time.IsZero()), err
	}},
	{"mark for a transfer", func(ctx context.Context, s *remote.Session) (any, error) {
		m, err := s.ForTransfer().Mark(ctx, "none", true)
		return fmt.Sprint(m.Size, m.Refused, m.Denied, !m.Time.IsZero()), err
	}},
	{"lacks", func(ctx context.Context, s *remote.Session) (any, error) {
		return s.Lacks(ctx, "pub/none", remote.Mark{Size: -1, Refused: true})
	}},
	{"hash", func(ctx context.Context, s *remote.Session) (any, error) {
		d, ok, err := s.Hash(ctx, "top")
		return fmt.Sprint(d.Name, len(d.Sum), ok), err
	}},
	{"hash by", func(ctx context.Context, s *remote.Session) (any, error) {
		sum, err := s.HashBy(ctx, "top", "MD5")
		return len(sum), err
	}},
	{"mkdir", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Mkdir(ctx, "pub/new") }},
	{"mkdir, odd", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Mkdir(ctx, "pub/new ") }},
	{"mkdir again", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Mkdir(ctx, "pub") }},
	{"mkdir in nothing", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Mkdir(ctx, "none/new") }},
	{"delete", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Delete(ctx, "top") }},
	{"remove", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Remove(ctx, "top", true) }},
	{"remove a directory", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Remove(ctx, "empty", true) }},
	{"remove what is full", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Remove(ctx, "pub", true) }},
	{"remove what is missing", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Remove(ctx, "none", true) }},
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
	{"rename", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Rename(ctx, "top", "pub/new") }},
	{"rename over", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, s.Rename(ctx, "top", "pub/file")
	}},
	{"rename what is missing", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, s.Rename(ctx, "none", "pub/new")
	}},
	{"renamed", func(ctx context.Context, s *remote.Session) (any, error) {
		return s.Renamed(ctx, "none", "top", int64(len(content)))
	}},
	{"renamed not", func(ctx context.Context, s *remote.Session) (any, error) { return s.Renamed(ctx, "top", "none", -1) }},
	{"chtimes", func(ctx context.Context, s *remote.Session) (any, error) {
		return nil, s.Chtimes(ctx, "top", time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC))
	}},
	{"chmod", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.Chmod(ctx, "top", 0o600) }},
	{"kept", func(ctx context.Context, s *remote.Session) (any, error) { return nil, s.KeptFile(ctx, "pub/odd ") }},
	{"read", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "top", 0) }},
	{"read the end", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "top", 3) }},
	{"read what is missing", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "none", 0) }},
	{"read a directory", func(ctx context.Context, s *remote.Session) (any, error) { return read(ctx, s, "pub", 0) }},
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
	t, err := s.Read(ctx, name, off)
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

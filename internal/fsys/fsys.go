// Package fsys is a directory of a server as a file system: each operation takes a
// connection of the pool, is tried again, and has the name in its error.
package fsys

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/stream"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/tree"
	"github.com/ftpnat/ftpnat/internal/walk"
)

// Config is what the FS of one server have in common.
type Config struct {
	Session   *session.Config
	Charset   remote.Charset // nil for names as they are
	Zone      *time.Location // of LIST; nil for UTC
	MaxConns  int
	IdleLimit time.Duration // see pool.Config
	Shared    *pool.Shared  // see pool.Config
	SplitOver int64         // see tree.Options
}

// Client is what all FS of one Open share.
type Client struct {
	stream.Files
	Walk      *walk.Walk
	maxConns  int
	splitOver int64
}

func newClient(cfg Config, dir string) *Client {
	server := remote.NewServer(cfg.Charset, cfg.Zone)
	return &Client{
		Files: stream.Files{
			Pool: pool.New(pool.Config[*session.Conn]{
				Max:       cfg.MaxConns,
				IdleLimit: cfg.IdleLimit,
				Shared:    cfg.Shared,
				RetryFor:  cfg.Session.RetryFor,
				Open:      func(ctx context.Context) (*session.Conn, error) { return session.Open(ctx, cfg.Session, dir) },
				Beside:    trace.Until,
				Full:      func(err error) bool { return proto.NotOpen(err).TooMany() },
				// A server that was there before may come back; a name that was
				// never reached is likely a mistake, which is best said at once.
				Again: func(err error, proven bool) bool {
					return proven || proto.NotOpen(err).Code != 0 || errors.Is(err, proto.ErrNoDir)
				},
			}),
			Server:   server,
			RetryFor: cfg.Session.RetryFor,
		},
		Walk:      walk.New(server, cfg.Session.Attempt),
		maxConns:  cfg.MaxConns,
		splitOver: cfg.SplitOver,
	}
}

// Options returns how much is done at once.
func (c *Client) Options() tree.Options {
	return tree.Options{Most: c.maxConns, Room: c.Pool.Room, SplitOver: c.splitOver}
}

// FS is a directory of a server. Its errors are those of package ftpnat.
type FS struct {
	*Client
	At  string // in the directory of the client, which is the empty name
	Ctx context.Context
}

// Open opens a directory of a server.
func Open(ctx context.Context, cfg Config, dir string) (FS, error) {
	if len(dir) > 1 {
		dir = strings.TrimRight(dir, "/")
	}
	if strings.ContainsAny(dir, "\x00\r\n") {
		return FS{}, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrInvalid}
	}
	c := newClient(cfg, dir)
	lease, err := c.Pool.Acquire(ctx)
	if err != nil {
		c.Pool.Close()
		if errors.Is(err, proto.ErrNoDir) {
			err = &fs.PathError{Op: "open", Path: dir, Err: whyNoDir(ctx, cfg, dir, err)}
		}
		return FS{}, retry.Public(err)
	}
	lease.Release()
	return FS{Client: c, Ctx: context.Background()}, nil
}

// whyNoDir finds out, from the login directory, why a directory cannot be
// entered.
func whyNoDir(ctx context.Context, cfg Config, dir string, err error) error {
	c := newClient(cfg, "")
	defer c.Pool.Close()
	explained := err
	lerr := c.With(ctx, func(s *remote.Session) error {
		explained = remote.Explain(ctx, s, remote.OpList, path.Clean(dir), err)
		return nil
	})
	return errors.Join(explained, lerr)
}

// In returns the same directory with another context.
func (f FS) In(ctx context.Context) FS {
	f.Ctx = ctx
	return f
}

// Sub returns a directory in it.
func (f FS) Sub(dir string) FS {
	f.At = f.Path(dir)
	return f
}

// Path returns where a name is in the client's directory.
func (f FS) Path(name string) string {
	if f.At == "" {
		return remote.Slashed(path.Clean(name))
	}
	return remote.Slashed(path.Join(f.At, name))
}

// Do calls fn with a connection and the path of a name, again if again allows
// that for its error.
func (f FS) Do(op, name string, again func(error) bool, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	if !remote.ValidName(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.Pool.ForCall(f.Ctx)
	defer cancel(nil)
	err := retry.Do(ctx, f.RetryFor, func() error {
		return f.With(ctx, func(s *remote.Session) error {
			err := fn(ctx, s, f.Path(name))
			if err != nil && !again(err) {
				return retry.Permanent(err)
			}
			return err
		})
	})
	if err = proto.Ended(ctx, err); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: retry.Public(err)}
	}
	return nil
}

// Ask is Do for what changes nothing on the server.
func (f FS) Ask(op, name string, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	return f.Do(op, name, retry.Worth, fn)
}

//go:build linux

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// jlaffayeTimeout is of each dial.
const jlaffayeTimeout = 20 * time.Second

// jlaffayeWorker does tasks with jlaffaye/ftp alone, with a connection for each
// lane, opened when the lane has work.
func (job Job) jlaffayeWorker(_ context.Context, u *url.URL) (worker, error) {
	options := []ftp.DialOption{ftp.DialWithTimeout(jlaffayeTimeout), ftp.DialWithForceListHidden(job.Task.ListHidden)}
	if config := job.Settings.tlsFor(u); config != nil {
		options = append(options, ftp.DialWithExplicitTLS(config))
	}
	return &jlaffayeWorker{u: u, options: options, lanes: make([]*ftp.ServerConn, max(job.Task.Conns, 1))}, nil
}

type jlaffayeWorker struct {
	u       *url.URL
	options []ftp.DialOption
	lanes   []*ftp.ServerConn
}

func (w *jlaffayeWorker) conn(lane int) (*ftp.ServerConn, error) {
	if c := w.lanes[lane]; c != nil {
		return c, nil
	}
	c, err := ftp.Dial(hostPort(w.u), w.options...)
	if err != nil {
		return nil, err
	}
	w.lanes[lane] = c
	password, _ := w.u.User.Password()
	if err := c.Login(w.u.User.Username(), password); err != nil {
		return nil, err
	}
	if dir := strings.TrimPrefix(w.u.Path, "/"); dir != "" {
		return c, c.ChangeDir(dir)
	}
	return c, nil
}

func (w *jlaffayeWorker) close() error {
	var errs []error
	for _, c := range w.lanes {
		if c != nil {
			errs = append(errs, c.Quit())
		}
	}
	return errors.Join(errs...)
}

func (w *jlaffayeWorker) transfer(lane int, a Action, name string, data []byte) ([]byte, error) {
	c, err := w.conn(lane)
	if err != nil {
		return nil, err
	}
	if a == Write {
		return nil, c.Stor(name, bytes.NewReader(data))
	}
	body, err := c.Retr(name)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(body)
	return got, errors.Join(err, body.Close())
}

func (w *jlaffayeWorker) walk(info bool) ([]string, error) {
	c, err := w.conn(0)
	if err != nil {
		return nil, err
	}
	dir, err := c.CurrentDir()
	if err != nil {
		return nil, err
	}
	names := []string{"."}
	walker := c.Walk(dir)
	for walker.Next() {
		if walker.Path() == dir {
			continue
		}
		if base := path.Base(walker.Path()); base == "." || base == ".." {
			walker.SkipDir()
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(walker.Path(), dir), "/")
		if e := walker.Stat(); info && e.Type != ftp.EntryTypeFolder {
			name += fmt.Sprintf(" %d", e.Size)
		}
		names = append(names, name)
	}
	return names, walker.Err()
}

func (w *jlaffayeWorker) bulk(a Action, name, local string) error {
	c, err := w.conn(0)
	if err != nil {
		return err
	}
	if a == Upload {
		from, err := os.Open(local)
		if err != nil {
			return err
		}
		return errors.Join(c.Stor(name, from), from.Close())
	}
	to, err := target(local)
	if err != nil {
		return err
	}
	body, err := c.Retr(name)
	if err != nil {
		return errors.Join(err, to.Close())
	}
	_, err = io.Copy(to, body)
	return errors.Join(err, body.Close(), to.Close())
}

//go:build linux

package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
)

// bareWorker copies between a connection and a file by the shortest way that
// there is. In clear text that is the kernel's, with no protocol at all: the
// connection is open when the clock runs. Under TLS the other end is the same
// server as for the others, since it has its part in what TLS costs.
func (job Job) bareWorker(ctx context.Context, u *url.URL) (worker, error) {
	if len(job.Settings.RootsPEM) > 0 {
		return job.bareTLSWorker(ctx, u)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", job.Task.Addr)
	if err != nil {
		return nil, err
	}
	return bareWorker{conn: conn}, nil
}

// noTasks is of workers that do nothing but bulk.
type noTasks struct{}

func (noTasks) transfer(int, Action, string, []byte) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

func (noTasks) walk(bool) ([]string, error) { return nil, errors.ErrUnsupported }

type bareWorker struct {
	noTasks
	conn net.Conn
}

func (w bareWorker) close() error { return w.conn.Close() }

func (w bareWorker) bulk(a Action, _, local string) error { return bareCopy(w.conn, a, local) }

// bareCopy sends the file and waits until the other end has closed too, or
// receives it.
func bareCopy(conn net.Conn, a Action, local string) error {
	if a == Download {
		to, err := os.Create(local)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, conn)
		return errors.Join(err, to.Close())
	}
	from, err := os.Open(local)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := io.Copy(conn, from); err != nil {
		return err
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

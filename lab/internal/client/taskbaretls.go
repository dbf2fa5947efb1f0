//go:build linux

package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
)

// bareTLSWorker logs in at an FTP server under TLS with as little of a client
// as that takes.
func (job Job) bareTLSWorker(ctx context.Context, u *url.URL) (worker, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, err
	}
	w := &bareTLSWorker{
		host: u.Hostname(),
		text: textproto.NewConn(conn),
		config: &tls.Config{
			ServerName: u.Hostname(), RootCAs: x509.NewCertPool(),
			MinVersion: job.Settings.TLSVersion, MaxVersion: job.Settings.TLSVersion,
			ClientSessionCache: tls.NewLRUClientSessionCache(0),
		},
	}
	w.config.RootCAs.AppendCertsFromPEM(job.Settings.RootsPEM)
	if err := w.login(conn, u.User); err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

type bareTLSWorker struct {
	noTasks
	host   string
	text   *textproto.Conn
	config *tls.Config
}

func (w *bareTLSWorker) login(conn net.Conn, user *url.Userinfo) error {
	if _, _, err := w.text.ReadResponse(220); err != nil {
		return err
	}
	if _, err := w.command(234, "AUTH TLS"); err != nil {
		return err
	}
	w.text = textproto.NewConn(tls.Client(conn, w.config))
	password, _ := user.Password()
	for _, c := range []struct {
		want int
		line string
	}{
		{331, "USER " + user.Username()},
		{230, "PASS " + password},
		{200, "TYPE I"},
		{200, "PBSZ 0"},
		{200, "PROT P"},
	} {
		if _, err := w.command(c.want, c.line); err != nil {
			return err
		}
	}
	return nil
}

func (w *bareTLSWorker) command(want int, line string) (string, error) {
	if err := w.text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, message, err := w.text.ReadResponse(want)
	return message, err
}

func (w *bareTLSWorker) close() error { return w.text.Close() }

func (w *bareTLSWorker) bulk(a Action, name, local string) error {
	message, err := w.command(229, "EPSV")
	if err != nil {
		return err
	}
	var port int
	if _, err := fmt.Sscanf(message, "Entering Extended Passive Mode (|||%d|)", &port); err != nil {
		return fmt.Errorf("%q: %w", message, err)
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(w.host, fmt.Sprint(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	verb := map[Action]string{Download: "RETR ", Upload: "STOR "}[a]
	if _, err := w.command(150, verb+name); err != nil {
		return err
	}
	data := tls.Client(conn, w.config)
	if err := data.Handshake(); err != nil {
		return err
	}
	if err := bareCopy(data, a, local); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	_, _, err = w.text.ReadResponse(226)
	return err
}

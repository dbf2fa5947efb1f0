//go:build linux

package paths

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// What a client transfers at a Place.
const (
	Download = "down.bin" // the one file that is there, Payload(downloadSeed, Size)
	Upload   = "up.bin"   // the file to leave, Payload(UploadSeed, Size)
	Size     = 1 << 20

	UploadSeed   = 2428 // RFC 2428
	downloadSeed = 959  // RFC 959
)

// Place is a Path that has been built, with a server at its end.
type Place struct {
	Path   Path
	Net    *netns.Internet
	Server *servers.Server
}

// Build makes the path and starts a server with Download in it. Close the
// place.
func Build(ctx context.Context, p Path, kind servers.Kind) (_ *Place, err error) {
	l := &Place{Path: p}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", p.Name, err), l.Close(context.WithoutCancel(ctx)))
		}
	}()
	if l.Net, err = netns.Build(ctx, p.Client, p.Server); err != nil {
		return nil, err
	}
	o := p.Options
	o.Kind, o.Namespace, o.Addr = kind, l.Net.Server, l.Net.ServerAddr
	if p.DeadPassive {
		o.PassiveAddr = l.Net.DeadAddr
	}
	if l.Server, err = servers.Start(ctx, o); err != nil {
		return nil, err
	}
	return l, os.WriteFile(l.file(Download), client.Payload(downloadSeed, Size), 0o644)
}

// Close stops the server and removes the network.
func (l *Place) Close(ctx context.Context) error {
	var errs []error
	if l.Server != nil {
		errs = append(errs, l.Server.Stop())
	}
	if l.Net != nil {
		errs = append(errs, l.Net.Close(ctx))
	}
	return errors.Join(errs...)
}

// URL returns the address of the server with its account, as the client
// reaches it.
func (l *Place) URL() string {
	host := l.Net.ServerPublic().String()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u := url.URL{
		Scheme: cmp.Or(l.Path.Scheme, "ftp"),
		User:   url.UserPassword(l.Server.User, l.Server.Password),
		Host:   cmp.Or(l.Path.Host, host),
		Path:   "/",
	}
	return u.String()
}

// Fill returns the job with the path's settings and what is to be transferred
// here.
func (l *Place) Fill(job client.Job) client.Job {
	job.URL = l.URL()
	job.Settings, job.Hosts = l.Path.Settings, l.Path.Hosts
	job.Download, job.Upload = Download, Upload
	job.Seed, job.Size = UploadSeed, Size
	return job
}

// Check compares what a client saw and left with what it should: the names of
// the listing, the SHA-256 of the download, and the uploaded file. It removes
// the latter, for the next client.
func (l *Place) Check(names []string, downloaded string) error {
	var errs []error
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "." || n == ".." || n == Upload })
	if !slices.Equal(names, []string{Download}) {
		errs = append(errs, fmt.Errorf("listed %q, want %s", names, Download))
	}
	if want := client.Sum(client.Payload(downloadSeed, Size)); downloaded != want {
		errs = append(errs, fmt.Errorf("downloaded a file with the SHA-256 %q, want %s", downloaded, want))
	}
	return errors.Join(append(errs, l.checkUpload())...)
}

func (l *Place) checkUpload() error {
	data, err := os.ReadFile(l.file(Upload))
	if err != nil {
		return err
	}
	if got, want := client.Sum(data), client.Sum(client.Payload(UploadSeed, Size)); got != want {
		err = fmt.Errorf("uploaded %d bytes with the SHA-256 %s, want %s", len(data), got, want)
	}
	return errors.Join(err, os.Remove(l.file(Upload)))
}

func (l *Place) file(name string) string { return filepath.Join(l.Server.Root, name) }

// Package beam lets Apache Beam pipelines in Go read and write files of FTP
// servers, by textio, fileio, parquetio and whatever else uses
// github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem.
//
//	import _ "github.com/ftpnat/ftpnat/adapters/beam"
//	...
//	lines := textio.Read(s, "ftpes://user@ftp.example.com/orders/*.csv")
//
// # Paths
//
// A path is scheme://[user@]host[:port]/name. The schemes are ftp, ftpes (AUTH
// TLS) and ftps (implicit TLS). Names are as the server has them, with nothing
// escaped, and begin at the login directory; with two slashes
// (ftp://host//srv/data) they begin at the root of the server. Patterns are those
// of path.Match; "**" stands for any number of directories. They match files, and
// not directories.
//
// # Passwords
//
// Beam writes paths into its logs and into the graph of the job. A path with a
// password is therefore an error. A worker gets passwords from the netrc file that
// the environment variable NETRC names, or else from ~/.netrc, or from the
// function that was given to UseDialer.
//
// # Connections
//
// All bundles of a process share the connections to a server, and use no more of
// them than the Dialer's MaxConns, four by default. A fleet uses that many for each
// worker process. Connections that nobody has used for a minute are closed.
package beam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/ftpnat/ftpnat"
	"github.com/git-lfs/go-netrc/netrc"
)

func init() {
	for _, scheme := range []string{"ftp", "ftpes", "ftps"} {
		filesystem.Register(scheme, New)
	}
}

// New returns the file system. Beam calls it for paths with the schemes of FTP.
func New(context.Context) filesystem.Interface { return new(fileSystem) }

var dialing struct {
	sync.Mutex
	choose func(server *url.URL) (*ftpnat.Dialer, error)
}

// UseDialer has choose return the Dialer for a server, with its User, Password,
// TLSConfig, MaxConns and whatever else is to be set. server has the scheme, the
// user if the path names one, and the host, as the path has them.
//
// It is called again when the connections have been closed, or a login has failed.
//
// UseDialer must be called before beam.Init, which does not return on workers.
// Nil stands for DefaultDialer.
func UseDialer(choose func(server *url.URL) (*ftpnat.Dialer, error)) {
	dialing.Lock()
	defer dialing.Unlock()
	dialing.choose = choose
}

func dialerFor(server *url.URL) (*ftpnat.Dialer, error) {
	dialing.Lock()
	choose := dialing.choose
	dialing.Unlock()
	if choose == nil {
		choose = DefaultDialer
	}
	return choose(server)
}

// DefaultDialer returns a Dialer with the user and the password that the netrc file
// has for the server. Without one the login is that of the path with no password,
// or anonymous.
func DefaultDialer(server *url.URL) (*ftpnat.Dialer, error) {
	d := &ftpnat.Dialer{User: server.User.Username()}
	name := os.Getenv("NETRC")
	if name == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return d, nil
		}
		name = filepath.Join(home, ".netrc")
	}
	file, err := netrc.ParseFile(name)
	var bad *netrc.Error
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, nil
	case errors.As(err, &bad):
		// The message may quote a word of the file.
		return nil, fmt.Errorf("%s: line %d is not in the form of netrc", name, bad.LineNum)
	case err != nil:
		return nil, err
	}
	m := file.FindMachine(server.Hostname(), d.User)
	if m == nil || d.User != "" && m.Login != "" && m.Login != d.User {
		return d, nil
	}
	if d.User == "" {
		d.User = m.Login
	}
	d.Password = m.Password
	return d, nil
}

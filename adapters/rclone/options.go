package rclone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/rclone/rclone/backend/overview"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config"
	"github.com/rclone/rclone/fs/config/configmap"
	"github.com/rclone/rclone/fs/config/configstruct"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/fshttp"
	"github.com/rclone/rclone/lib/encoder"
	"github.com/rclone/rclone/lib/env"
)

func init() {
	fs.Register(&fs.RegInfo{
		Name:        "ftpnat",
		Description: "FTP through NATs and firewalls, with transfers that are resumed",
		NewFs:       NewFs,
		Overview:    &overview.BackendConfig{Backend: "ftpnat", Name: "ftpnat", Docs: "https://github.com/ftpnat/ftpnat/tree/main/adapters/rclone"},
		CommandHelp: commandHelp,
		Options: []fs.Option{{
			Name:      "host",
			Help:      "FTP host to connect to.\n\nE.g. \"ftp.example.com\".",
			Required:  true,
			Sensitive: true,
		}, {
			Name:      "user",
			Help:      "FTP username.",
			Default:   env.CurrentUser(),
			Sensitive: true,
		}, {
			Name:    "port",
			Help:    "FTP port number.",
			Default: 21,
		}, {
			Name:       "pass",
			Help:       "FTP password.",
			IsPassword: true,
		}, {
			Name:    "tls",
			Help:    "Use implicit FTPS: TLS from the first byte, usually on port 990.",
			Default: false,
		}, {
			Name:    "explicit_tls",
			Help:    "Use explicit FTPS: AUTH TLS on the ordinary port. A server that refuses it is an error.",
			Default: false,
		}, {
			Name: "concurrency",
			Help: `Maximum number of connections to the server, 0 for 4.

All remotes with the same settings share them, and any number of files
may be open at once: no number is too small for --transfers and
--checkers.`,
			Default:  0,
			Advanced: true,
		}, {
			Name:     "no_check_certificate",
			Help:     "Do not verify the TLS certificate of the server.",
			Default:  false,
			Advanced: true,
		}, {
			Name:     "disable_epsv",
			Help:     "Do not try EPSV. That is not needed where it does not work: the other modes are found.",
			Default:  false,
			Advanced: true,
		}, {
			Name: "disable_hashcheck",
			Help: `Do not have the server compute hashes.

Otherwise rclone compares the hashes of what it has copied if the server
has a command for that.`,
			Default:  false,
			Advanced: true,
		}, {
			Name:     "writing_mdtm",
			Help:     "The server sets times by MDTM (vsftpd, which is known by its greeting).",
			Default:  false,
			Advanced: true,
		}, {
			Name:     "idle_timeout",
			Help:     "Time after which a connection is closed that is not used, 0 for never.",
			Default:  fs.Duration(60 * time.Second),
			Advanced: true,
		}, {
			Name: "upload_buffer",
			Help: `Largest stream that is held in memory while it is uploaded.

A broken connection under an upload of a file is made good from the
source. A stream (rcat, serve, crypt) cannot be read again: one of known
size is held in memory if it is no larger than this.`,
			Default:  fs.SizeSuffix(32 << 20),
			Advanced: true,
		}, {
			Name:     "disable_tls13",
			Help:     "Disable TLS 1.3 (workaround for FTP servers with buggy TLS)",
			Default:  false,
			Advanced: true,
		}, {
			Name:     "ask_password",
			Help:     "Ask for the password if none is set.",
			Default:  false,
			Advanced: true,
		}, {
			Name:     "socks_proxy",
			Help:     "SOCKS5 proxy: user:pass@host:port, user@host:port, host:port.",
			Advanced: true,
		}, {
			Name:     "http_proxy",
			Help:     "URL of an HTTP proxy that has CONNECT: http://user:pass@host:port.",
			Advanced: true,
		}, {
			Name:     config.ConfigEncoding,
			Help:     config.ConfigEncodingHelp,
			Advanced: true,
			// The default of rclone's own ftp backend, for the same names.
			Default: encoder.Display | encoder.EncodeRightSpace,
			Examples: []fs.OptionExample{{
				Value: "Asterisk,Ctl,Dot,Slash",
				Help:  "ProFTPD, as of rclone's ftp backend",
			}, {
				Value: "BackSlash,Ctl,Del,Dot,RightSpace,Slash,SquareBracket",
				Help:  "Pure-FTPd, which refuses names with a backslash",
			}},
		}},
	})
}

// Options is the configuration of a remote.
type Options struct {
	Host             string               `config:"host"`
	User             string               `config:"user"`
	Port             string               `config:"port"`
	Pass             string               `config:"pass"`
	TLS              bool                 `config:"tls"`
	ExplicitTLS      bool                 `config:"explicit_tls"`
	Concurrency      int                  `config:"concurrency"`
	NoCheckCert      bool                 `config:"no_check_certificate"`
	DisableEPSV      bool                 `config:"disable_epsv"`
	DisableHashCheck bool                 `config:"disable_hashcheck"`
	WritingMDTM      bool                 `config:"writing_mdtm"`
	IdleTimeout      fs.Duration          `config:"idle_timeout"`
	UploadBuffer     fs.SizeSuffix        `config:"upload_buffer"`
	DisableTLS13     bool                 `config:"disable_tls13"`
	AskPassword      bool                 `config:"ask_password"`
	SocksProxy       string               `config:"socks_proxy"`
	HTTPProxy        string               `config:"http_proxy"`
	Enc              encoder.MultiEncoder `config:"encoding"`
}

// newOptions returns the options of a remote, with the password revealed.
func newOptions(m configmap.Mapper) (Options, error) {
	var opt Options
	if err := configstruct.Set(m, &opt); err != nil {
		return opt, err
	}
	opt.Enc |= encoder.EncodeCrLf // FTP cannot have them
	if opt.User == "" {
		opt.User = env.CurrentUser()
	}
	if opt.TLS && opt.ExplicitTLS {
		return opt, errors.New("implicit TLS and explicit TLS are mutually incompatible, please revise your config")
	}
	if opt.Pass != "" {
		pass, err := obscure.Reveal(opt.Pass)
		if err != nil {
			return opt, fmt.Errorf("decrypt password: %w", err)
		}
		opt.Pass = pass
	} else if opt.AskPassword {
		opt.Pass = config.GetPassword("FTP server password")
	}
	return opt, nil
}

// url returns the URL of the login directory, or of the server's root directory.
func (o *Options) url(root bool) *url.URL {
	u := &url.URL{Scheme: "ftp", Host: o.Host, Path: "/"}
	if host := strings.Trim(o.Host, "[]"); o.Port != "" {
		u.Host = net.JoinHostPort(host, o.Port)
	}
	switch {
	case o.TLS:
		u.Scheme = "ftps"
	case o.ExplicitTLS:
		u.Scheme = "ftpes"
	}
	if root {
		u.Path, u.RawPath = "//", "/%2F"
	}
	return u
}

// dialer returns the settings for ftpnat: those of the remote, and of rclone's
// global flags what concerns connections.
func (o *Options) dialer(ctx context.Context) (*ftpnat.Dialer, error) {
	dial := fshttp.NewDialer(ctx).Dialer // without the deadlines of HTTP
	d := &ftpnat.Dialer{
		User: o.User, Password: o.Pass,
		MaxConns:    o.Concurrency,
		IdleTimeout: time.Duration(o.IdleTimeout),
		DialContext: dial.DialContext,
	}
	if d.IdleTimeout == 0 {
		d.IdleTimeout = -1
	}
	if o.DisableEPSV {
		d.Modes = []ftpnat.Mode{ftpnat.PASV, ftpnat.PORT, ftpnat.EPRT}
	}
	if o.TLS || o.ExplicitTLS {
		d.TLSConfig = new(tls.Config)
		if global := fshttp.NewTransport(ctx).TLSClientConfig; global != nil {
			d.TLSConfig = global.Clone()
		}
		if o.NoCheckCert {
			d.TLSConfig.InsecureSkipVerify = true
		}
		if o.DisableTLS13 {
			d.TLSConfig.MaxVersion = tls.VersionTLS12
		}
	}
	proxy := o.HTTPProxy
	if o.SocksProxy != "" {
		proxy = "socks5://" + o.SocksProxy
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, errors.New("the address of the proxy is not valid") // it may have a password
		}
		d.ProxyURL = u
	}
	return d, nil
}

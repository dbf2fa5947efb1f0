module github.com/ftpnat/ftpnat/cmd/ftpnat

go 1.26.0

replace (
	github.com/ftpnat/ftpnat => ../..
	github.com/ftpnat/ftpnat/portmap => ../../portmap
)

require (
	github.com/bmatcuk/doublestar/v4 v4.10.4
	github.com/ftpnat/ftpnat v0.0.0
	github.com/ftpnat/ftpnat/portmap v0.0.0
	github.com/git-lfs/go-netrc v0.0.0-20250218165306-ba0029b43d11
	github.com/schollz/progressbar/v3 v3.19.1
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9
	golang.org/x/term v0.48.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/huin/goupnp v1.3.1 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/jackpal/go-nat-pmp v1.1.0 // indirect
	github.com/jlaffaye/ftp v0.2.4 // indirect
	github.com/libp2p/go-netroute v0.4.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.0.0-20210220032951-036812b2e83c // indirect
	golang.org/x/sys v0.50.0 // indirect
)

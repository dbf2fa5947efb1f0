module github.com/ftpnat/ftpnat/examples/probe

go 1.26.0

require (
	github.com/ftpnat/ftpnat v0.0.0
	github.com/ftpnat/ftpnat/portmap v0.0.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/huin/goupnp v1.3.1 // indirect
	github.com/jackpal/go-nat-pmp v1.1.0 // indirect
	github.com/jlaffaye/ftp v0.2.4 // indirect
	github.com/libp2p/go-netroute v0.4.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.0.0-20210220032951-036812b2e83c // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace (
	github.com/ftpnat/ftpnat => ../..
	github.com/ftpnat/ftpnat/portmap => ../../portmap
)

module github.com/ftpnat/ftpnat/portmap

go 1.26.0

replace github.com/ftpnat/ftpnat => ..

require (
	github.com/ftpnat/ftpnat v0.0.0
	github.com/huin/goupnp v1.3.1
	github.com/jackpal/go-nat-pmp v1.1.0
	github.com/libp2p/go-netroute v0.4.0
	golang.org/x/net v0.62.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/jlaffaye/ftp v0.2.4 // indirect
	golang.org/x/sync v0.0.0-20210220032951-036812b2e83c // indirect
	golang.org/x/sys v0.49.0 // indirect
)

module github.com/ftpnat/ftpnat/lab

go 1.26.0

replace (
	github.com/ftpnat/ftpnat => ..
	github.com/ftpnat/ftpnat/portmap => ../portmap
)

require (
	github.com/ftpnat/ftpnat v0.0.0
	github.com/ftpnat/ftpnat/portmap v0.0.0
	github.com/jlaffaye/ftp v0.2.4
	goftp.io/server/v2 v2.0.3
	golang.org/x/sys v0.49.0
	gonum.org/v1/plot v0.17.0
)

require (
	codeberg.org/go-fonts/liberation v0.5.0 // indirect
	codeberg.org/go-latex/latex v0.2.0 // indirect
	codeberg.org/go-pdf/fpdf v0.11.1 // indirect
	git.sr.ht/~sbinet/gg v0.7.0 // indirect
	github.com/ajstarks/svgo v0.0.0-20211024235047-1546f124cd8b // indirect
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/golang/freetype v0.0.0-20170609003504-e2365dfdc4a0 // indirect
	github.com/huin/goupnp v1.3.1 // indirect
	github.com/jackpal/go-nat-pmp v1.1.0 // indirect
	github.com/libp2p/go-netroute v0.4.0 // indirect
	golang.org/x/image v0.30.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

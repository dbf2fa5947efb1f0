module github.com/ftpnat/ftpnat

go 1.26.0

require (
	github.com/cenkalti/backoff/v4 v4.3.0
	github.com/jlaffaye/ftp v0.2.4
	golang.org/x/net v0.62.0
)

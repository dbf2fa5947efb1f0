module github.com/ftpnat/ftpnat/adapters/afero

go 1.26.0

replace github.com/ftpnat/ftpnat => ../..

require (
	github.com/ftpnat/ftpnat v0.0.0
	github.com/spf13/afero v1.15.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/jlaffaye/ftp v0.2.4 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

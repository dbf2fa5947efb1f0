//go:build linux

package main

import (
	"context"
	"errors"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// contender is an FTP client that takes part.
type contender interface {
	name() string
	version(ctx context.Context) (string, error)

	// transfer lists, downloads and uploads within ctx. The folder is the
	// client's own; the file to upload is in it. An error is what the client
	// has to say.
	transfer(ctx context.Context, l *paths.Place, folder string) (seen, error)
}

// seen is what a client saw.
type seen struct {
	names      []string // of the listing
	downloaded string   // SHA-256
}

// contenders returns all of them, in the order of the columns.
func contenders() []contender {
	return append(libraries(), programs()...)
}

// library is a client that is a Go package, run by the laboratory's own
// client process.
type library struct {
	kind   client.Kind
	title  string
	module string
}

func libraries() []contender {
	return []contender{
		library{client.FS, "ftpnat", "github.com/ftpnat/ftpnat"},
		library{client.Jlaffaye, "jlaffaye/ftp", "github.com/jlaffaye/ftp"},
	}
}

func (l library) name() string { return l.title }

func (l library) version(context.Context) (string, error) { return peer.ModuleVersion(l.module) }

func (l library) transfer(ctx context.Context, p *paths.Place, _ string) (seen, error) {
	job := p.Fill(client.Job{Kind: l.kind, Timeout: remaining(ctx)})
	r, err := client.Run(ctx, p.Net.Client, job)
	if err != nil {
		return seen{}, err
	}
	if r.Err != "" {
		return seen{}, errors.New(r.Err)
	}
	return seen{r.Names, r.Downloaded}, nil
}

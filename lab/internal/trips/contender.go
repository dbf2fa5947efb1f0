//go:build linux

package trips

import (
	"context"
	"errors"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// Contender is a client that takes part.
type Contender struct {
	Name    string
	Version func(ctx context.Context) (string, error)
	Measure func(ctx context.Context, p *Place, row Row) (Figure, error)
}

// ErrNone is returned where a client has no way of doing what a row asks for.
var ErrNone = errors.New("the client cannot do that")

// Contenders returns all of them. The first is ftpnat.
func Contenders() []Contender {
	return append([]Contender{
		library("ftpnat", client.FS, "github.com/ftpnat/ftpnat"),
		library("jlaffaye/ftp", client.Jlaffaye, "github.com/jlaffaye/ftp"),
	}, programs()...)
}

func library(name string, kind client.Kind, module string) Contender {
	return Contender{
		Name:    name,
		Version: func(context.Context) (string, error) { return peer.ModuleVersion(module) },
		Measure: func(ctx context.Context, p *Place, row Row) (Figure, error) { return p.Library(ctx, kind, row) },
	}
}

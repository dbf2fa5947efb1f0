//go:build linux

package trips

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/ftpnat/ftpnat/lab/internal/client"
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
		Version: func(context.Context) (string, error) { return moduleVersion(module) },
		Measure: func(ctx context.Context, p *Place, row Row) (Figure, error) { return p.Library(ctx, kind, row) },
	}
}

// moduleVersion reads what this program was built with.
func moduleVersion(path string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("built without modules")
	}
	for _, m := range info.Deps {
		if m.Path != path {
			continue
		}
		if m.Replace != nil || m.Version == "(devel)" {
			return "this tree", nil
		}
		return m.Version, nil
	}
	return "", errors.New("not a part of this program")
}

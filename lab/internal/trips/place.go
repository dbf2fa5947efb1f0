//go:build linux

package trips

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/delay"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// What a Place's server has: small files, more than any row asks for, and a
// tree of 51 directories with 1,000 files of which 50 have names that begin
// with a dot.
const (
	smallSize   = 10 << 10
	smallFiles  = 64
	tree        = "tree"
	treeDirs    = 50
	treeFiles   = 20 // in each
	treeEntries = 1 + treeDirs + treeDirs*treeFiles
)

// passivePorts are so many that no server runs out of them: closed connections
// keep theirs for a minute.
var passivePorts = [2]uint16{20000, 59999}

// Place is a server at the end of a wire.
type Place struct {
	Kind   servers.Kind
	Pair   *netns.Pair
	Wire   *delay.Wire
	Server *servers.Server
	TLS    *servers.TLS // nil for clear text
}

// Build starts a server that is rtt away. Close the place, also when what was
// measured there has failed.
func Build(ctx context.Context, kind servers.Kind, rtt time.Duration, tls bool) (*Place, error) {
	p := &Place{Kind: kind}
	if err := p.build(ctx, rtt, tls); err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return p, nil
}

func (p *Place) build(ctx context.Context, rtt time.Duration, tls bool) error {
	var err error
	if p.Pair, err = netns.BuildPair(ctx); err != nil {
		return err
	}
	if p.Wire, err = delay.Lay(ctx, p.Pair, rtt); err != nil {
		return err
	}
	if tls {
		if p.TLS, err = servers.NewTLS("ftp.example.com", p.Pair.ServerAddr); err != nil {
			return err
		}
	}
	o := servers.Options{Kind: p.Kind, Namespace: p.Pair.Server, Addr: p.Pair.ServerAddr, TLS: p.TLS, PassivePorts: passivePorts}
	if p.Server, err = servers.Start(ctx, o); err != nil {
		return err
	}
	return p.populate()
}

// Close stops the server and removes the rest.
func (p *Place) Close(ctx context.Context) error {
	var errs []error
	if p.Server != nil {
		errs = append(errs, p.Server.Stop())
	}
	if p.Wire != nil {
		errs = append(errs, p.Wire.Close())
	}
	if p.Pair != nil {
		errs = append(errs, p.Pair.Close(ctx))
	}
	return errors.Join(errs...)
}

// Addr is where the server is.
func (p *Place) Addr() netip.Addr { return p.Pair.ServerAddr }

// URL is the address of a folder on the server, with the login.
func (p *Place) URL(folder string) string {
	return fmt.Sprintf("ftp://%s:%s@%s/%s", p.Server.User, p.Server.Password, p.Addr(), folder)
}

// numbered returns n names out of a series.
func numbered(letter string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%03d", letter, i))
	}
	return names
}

// populate makes the files that clients read.
func (p *Place) populate() error {
	for _, name := range numbered("s", smallFiles) {
		if err := p.put(name, client.FileContent(name, smallSize)); err != nil {
			return err
		}
	}
	for _, line := range treeList(true) {
		name, size, file := strings.Cut(line, " ")
		name = filepath.Join(tree, name)
		var err error
		if file {
			var n int
			fmt.Sscan(size, &n)
			err = p.put(name, make([]byte, n))
		} else {
			err = errors.Join(os.Mkdir(p.path(name), 0o755), p.Server.Own(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Place) path(name string) string { return filepath.Join(p.Server.Root, name) }

func (p *Place) put(name string, data []byte) error {
	return errors.Join(os.WriteFile(p.path(name), data, 0o644), p.Server.Own(name))
}

// treeList returns what a walk of the tree meets, in its order, and with info
// the sizes of the files.
func treeList(info bool) []string {
	names := make([]string, 0, treeEntries)
	names = append(names, ".")
	for d := range treeDirs {
		dir := fmt.Sprintf("d%02d", d)
		names = append(names, dir)
		for f := range treeFiles {
			name := fmt.Sprintf("%s/f%02d", dir, f)
			if f == 0 {
				name = dir + "/.hidden"
			}
			if info {
				name += fmt.Sprintf(" %d", 100+d+f)
			}
			names = append(names, name)
		}
	}
	return names
}

// checkTree compares what a walk has met, in any order, with what is there.
func checkTree(names []string, info bool) error {
	got := slices.Sorted(slices.Values(names))
	want := slices.Sorted(slices.Values(treeList(info)))
	if slices.Equal(got, want) {
		return nil
	}
	missing := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(got, s) })
	return fmt.Errorf("the walk met %d of %d entries; %d are missing: %q", len(got), len(want), len(missing), missing[:min(3, len(missing))])
}

// checkFiles compares files in a folder with what they are to be.
func checkFiles(folder string, names []string, content func(name string) []byte) error {
	for _, name := range names {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if want := content(name); !slices.Equal(got, want) {
			return fmt.Errorf("%s has %d bytes that are not those of the original, of %d", name, len(got), len(want))
		}
	}
	return nil
}

func small(name string) []byte { return client.FileContent(name, smallSize) }

// forget removes what an earlier run of the row has uploaded.
func (p *Place) forget(names []string, row Row) error {
	if row.Action != client.Write {
		return nil
	}
	for _, name := range names {
		if err := os.Remove(p.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

//go:build linux

package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// The files of a Place.
const (
	warmName  = "warm"   // small, on the server
	warmSize  = 10 << 10 //
	fileName  = "large"  // on the server, and with the client
	localName = "down"   // what the client downloads
	upName    = "up"     // what it uploads
)

// memory is where files are kept that no disk is to slow down.
const memory = "/dev/shm"

// Place is a vsftpd and a client, joined by a plain link, with a large file
// each in memory.
type Place struct {
	Pair   *netns.Pair
	Server *servers.Server
	TLS    *servers.TLS // nil for clear text
	Size   int64

	folder string
}

// Build makes a Place. Close it.
func Build(ctx context.Context, size int64, tls bool) (*Place, error) {
	p := &Place{Size: size}
	if err := p.build(ctx, tls); err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return p, nil
}

func (p *Place) build(ctx context.Context, tls bool) error {
	base := memory
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	var err error
	if p.folder, err = os.MkdirTemp(base, "ftpnat-lab-bulk-"); err != nil {
		return err
	}
	// The server's account has to get at its own folder in there.
	if err := os.Chmod(p.folder, 0o755); err != nil {
		return err
	}
	if p.Pair, err = netns.BuildPair(ctx); err != nil {
		return err
	}
	if err := p.Pair.Join(ctx); err != nil {
		return err
	}
	if tls {
		if p.TLS, err = servers.NewTLS("ftp.example.com", p.Pair.ServerAddr); err != nil {
			return err
		}
	}
	p.Server, err = servers.Start(ctx, servers.Options{
		Kind: servers.Vsftpd, Namespace: p.Pair.Server, Addr: p.Pair.ServerAddr, TLS: p.TLS, Folder: p.folder,
	})
	if err != nil {
		return err
	}
	return p.populate()
}

// populate makes the files: 1 MiB of noise over and over, each time with its
// number, so that no part is like another.
func (p *Place) populate() error {
	err := os.WriteFile(p.served(warmName), client.FileContent(warmName, warmSize), 0o644)
	if err != nil {
		return err
	}
	f, err := os.Create(p.served(fileName))
	if err != nil {
		return err
	}
	block := client.FileContent(fileName, 1<<20)
	for written := int64(0); written < p.Size; {
		copy(block, fmt.Sprintf("%020d", written))
		n, err := f.Write(block[:min(int64(len(block)), p.Size-written)])
		if err != nil {
			return errors.Join(err, f.Close())
		}
		written += int64(n)
	}
	if err := f.Close(); err != nil {
		return err
	}
	// The client uploads the same.
	return errors.Join(p.Server.Own(warmName), p.Server.Own(fileName), os.Link(p.served(fileName), p.local(fileName)))
}

func (p *Place) served(name string) string { return filepath.Join(p.Server.Root, name) }
func (p *Place) local(name string) string  { return filepath.Join(p.folder, name) }

// URL is that of a file on the server, with the login.
func (p *Place) url(name string) string {
	return fmt.Sprintf("ftp://%s:%s@%s/%s", p.Server.User, p.Server.Password, p.Pair.ServerAddr, name)
}

// Close stops the server and removes the rest.
func (p *Place) Close(ctx context.Context) error {
	var errs []error
	if p.Server != nil {
		errs = append(errs, p.Server.Stop())
	}
	if p.Pair != nil {
		errs = append(errs, p.Pair.Close(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(p.folder))...)
}

// arrived returns where a transfer has left its file.
func (p *Place) arrived(upload bool) string {
	if upload {
		return p.served(upName)
	}
	return p.local(localName)
}

// forget spoils what an earlier transfer has left: a download writes over a
// file of zeros, an upload makes its file.
func (p *Place) forget(upload bool) error {
	if upload {
		err := os.Remove(p.arrived(upload))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	f, err := os.OpenFile(p.arrived(upload), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for rest := p.Size; rest > 0 && err == nil; rest -= int64(len(zeros)) {
		_, err = f.Write(zeros[:min(int64(len(zeros)), rest)])
	}
	return errors.Join(err, f.Close())
}

// check compares what has arrived with the original.
func (p *Place) check(upload bool) error {
	got, err := os.Open(p.arrived(upload))
	if err != nil {
		return err
	}
	defer got.Close()
	want, err := os.Open(p.local(fileName))
	if err != nil {
		return err
	}
	defer want.Close()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(want, b)
		m, gotErr := io.ReadFull(got, a)
		if !bytes.Equal(a[:m], b[:n]) || !errors.Is(gotErr, err) {
			return errors.New("what has arrived is not the original")
		}
		if err != nil {
			return nil
		}
	}
}

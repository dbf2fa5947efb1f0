// Example writes and reads files of an FTP server through afero: a site is
// rendered in memory over the templates on the server, and then published. It
// needs no arguments: the server is embedded.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	aferoftp "github.com/ftpnat/ftpnat/adapters/afero"
	"github.com/ftpnat/ftpnat/ftptest"
	"github.com/spf13/afero"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	srv := ftptest.NewServer(fstest.MapFS{
		"site/about.txt": {Data: []byte("About NAME.\n")},
		"site/index.txt": {Data: []byte("Welcome to NAME.\n")},
	})
	defer srv.Close()

	fsys, err := ftpnat.Open(ctx, srv.URL)
	if err != nil {
		return err
	}
	defer fsys.Close()
	disk := aferoftp.New(fsys)

	// The draft reads from the server and writes into memory.
	draft := afero.NewCopyOnWriteFs(disk, afero.NewMemMapFs())
	pages, err := afero.Glob(draft, "site/*.txt")
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := afero.ReadFile(draft, page)
		if err != nil {
			return err
		}
		text = []byte(strings.ReplaceAll(string(text), "NAME", "Example Ltd."))
		if err := afero.WriteFile(draft, page, text, 0o644); err != nil {
			return err
		}
	}

	// Publishing reads from the draft and writes to the server.
	for _, page := range pages {
		text, err := afero.ReadFile(draft, page)
		if err != nil {
			return err
		}
		if err := afero.WriteFile(disk, page, text, 0o644); err != nil {
			return err
		}
	}
	return afero.Walk(disk, "site", func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := afero.ReadFile(disk, name)
		fmt.Printf("%s: %s", name, text)
		return err
	})
}

// Example synchronizes a directory to an FTP server and back by rclone's library. It
// needs no arguments: the server is embedded. With an argument it uses the remote
// that it names, such as :ftpnat,host=ftp.example.com,user=joe:reports.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	_ "github.com/ftpnat/ftpnat/adapters/rclone"
	"github.com/ftpnat/ftpnat/ftptest"
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config"
	"github.com/rclone/rclone/fs/operations"
	"github.com/rclone/rclone/fs/sync"
)

func main() {
	remote := ""
	if len(os.Args) > 1 {
		remote = os.Args[1]
	} else {
		srv := ftptest.NewServer(nil)
		defer srv.Close()
		host, port, _ := net.SplitHostPort(srv.Addr)
		remote = fmt.Sprintf(":ftpnat,host=%s,port=%s,user=anonymous:reports", host, port)
	}
	if err := run(context.Background(), remote); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, remote string) error {
	config.SetConfigPath("") // none of the user's
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, month := range []string{"2026-10", "2026-11"} {
		name := filepath.Join(dir, "out", month, "report.csv")
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte("customer,amount\nExample Ltd.,100\n"), 0o666); err != nil {
			return err
		}
	}
	out, err := fs.NewFs(ctx, filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	server, err := fs.NewFs(ctx, remote)
	if err != nil {
		return err
	}
	defer server.Features().Shutdown(ctx)
	in, err := fs.NewFs(ctx, filepath.Join(dir, "in"))
	if err != nil {
		return err
	}
	if err := sync.Sync(ctx, server, out, false); err != nil {
		return err
	}
	if err := sync.Sync(ctx, in, server, false); err != nil {
		return err
	}
	return operations.List(ctx, in, os.Stdout)
}

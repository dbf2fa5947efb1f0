// Example keeps reports in a bucket that is a directory of an FTP server. It needs
// no arguments: the server is embedded. With a URL it uses the bucket that it
// names, be it ftp://, s3:// or file:// (with the drivers imported).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	_ "github.com/ftpnat/ftpnat/adapters/blob"
	"github.com/ftpnat/ftpnat/ftptest"
	"gocloud.dev/blob"
)

func main() {
	address := ""
	if len(os.Args) > 1 {
		address = os.Args[1]
	} else {
		srv := ftptest.NewServer(nil)
		defer srv.Close()
		address = srv.URL
	}
	if err := run(context.Background(), address); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string) (err error) {
	bucket, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bucket.Close()) }()

	for _, month := range []string{"2026-10", "2026-11"} {
		report := strings.NewReader("customer,amount\nExample Ltd.,100\n")
		opts := &blob.WriterOptions{ContentType: "text/csv", Metadata: map[string]string{"month": month}}
		if err := bucket.Upload(ctx, "reports/"+month+".csv", report, opts); err != nil {
			return err
		}
	}

	for list := bucket.List(&blob.ListOptions{Prefix: "reports/"}); ; {
		object, err := list.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		attrs, err := bucket.Attributes(ctx, object.Key)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d bytes, %s, month %s\n", object.Key, attrs.Size, attrs.ContentType, attrs.Metadata["month"])
	}

	part, err := bucket.NewRangeReader(ctx, "reports/2026-11.csv", 16, 12, nil)
	if err != nil {
		return err
	}
	defer part.Close()
	name, err := io.ReadAll(part)
	fmt.Printf("bytes 16 to 27: %s\n", name)
	return err
}

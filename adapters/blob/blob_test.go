package blob

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/drivertest"
)

// harness is a server for one conformance test.
type harness struct {
	srv    *ftptest.Server
	fsys   *ftpnat.FS
	opts   Options
	prefix string
}

func (h *harness) MakeDriver(ctx context.Context) (driver.Bucket, error) {
	b := newBucket(h.fsys, &h.opts)
	if h.prefix == "" {
		return b, nil
	}
	return driver.NewPrefixedBucket(b, h.prefix), nil
}

// MakeDriverForNonexistentBucket has none: a directory that is not there is an
// error of Open.
func (h *harness) MakeDriverForNonexistentBucket(context.Context) (driver.Bucket, error) {
	return nil, nil
}

func (h *harness) HTTPClient() *http.Client         { return nil }
func (h *harness) SupportsCopy() bool               { return true }
func (h *harness) SupportsNonSlashDelimiters() bool { return true }
func (h *harness) SkipDownloadAt() bool             { return false }

func (h *harness) Close() {
	h.fsys.Close()
	if h.srv != nil {
		h.srv.Close()
	}
}

func TestConformance(t *testing.T) {
	for name, kind := range map[string]struct {
		opts   Options
		prefix string
	}{
		"sidecars":   {},
		"prefix":     {prefix: "some/prefix/dir/"},
		"noMetadata": {opts: Options{NoMetadata: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.RunConformanceTests(t, func(ctx context.Context, t *testing.T) (drivertest.Harness, error) {
				if kind.opts.NoMetadata {
					// As fileblob's own tests have it.
					switch name := t.Name(); {
					case strings.Contains(name, "ContentType"), strings.HasSuffix(name, "TestAttributes"), strings.Contains(name, "TestMetadata/"):
						t.Skip("needs attributes, which metadata=skip does not keep")
					}
				}
				srv := ftptest.NewServer(nil)
				fsys, err := ftpnat.Open(ctx, srv.URL)
				if err != nil {
					srv.Close()
					return nil, err
				}
				return &harness{srv: srv, fsys: fsys, opts: kind.opts, prefix: kind.prefix}, nil
			}, []drivertest.AsTest{verifyAs{kind.prefix}})
		})
	}
}

// verifyAs checks what the package's documentation says of As.
type verifyAs struct{ prefix string }

func (verifyAs) Name() string { return "ftpnat" }

func (verifyAs) BucketCheck(b *blob.Bucket) error {
	var fsys *ftpnat.FS
	if !b.As(&fsys) {
		return errors.New("Bucket.As failed")
	}
	_, err := fsys.Stat(".")
	return err
}

func (verifyAs) ErrorCheck(b *blob.Bucket, err error) error {
	var pe *fs.PathError
	if !b.ErrorAs(err, &pe) || !errors.Is(pe, fs.ErrNotExist) {
		return errors.New("ErrorAs failed")
	}
	var reply *ftpnat.ReplyError
	if !b.ErrorAs(err, &reply) {
		return errors.New("ErrorAs gives no reply")
	}
	return nil
}

func (verifyAs) BeforeRead(as func(any) bool) error  { return isFile(as) }
func (verifyAs) BeforeWrite(as func(any) bool) error { return isFile(as) }

func (verifyAs) BeforeCopy(func(any) bool) error   { return nil }
func (verifyAs) BeforeDelete(func(any) bool) error { return nil }
func (verifyAs) BeforeList(func(any) bool) error   { return nil }
func (verifyAs) BeforeSign(func(any) bool) error   { return nil }

func (verifyAs) AttributesCheck(attrs *blob.Attributes) error {
	var info fs.FileInfo
	if !attrs.As(&info) || info.Name() != "as-test" {
		return errors.New("Attributes.As failed")
	}
	return nil
}

func (verifyAs) ReaderCheck(r *blob.Reader) error { return isFile(r.As) }

func (v verifyAs) ListObjectCheck(o *blob.ListObject) error {
	var info fs.FileInfo
	if !o.As(&info) || info.Name() != "as-test" {
		return errors.New("ListObject.As failed")
	}
	return nil
}

func isFile(as func(any) bool) error {
	var f *ftpnat.File
	if !as(&f) || f.Name() == "" {
		return errors.New("As gives no file")
	}
	return nil
}

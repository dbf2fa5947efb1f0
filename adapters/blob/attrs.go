package blob

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat"
)

// attributes is what FTP does not keep. As JSON it is what fileblob writes, and
// the size of the blob.
type attributes struct {
	CacheControl       string            `json:"user.cache_control"`
	ContentDisposition string            `json:"user.content_disposition"`
	ContentEncoding    string            `json:"user.content_encoding"`
	ContentLanguage    string            `json:"user.content_language"`
	ContentType        string            `json:"user.content_type"`
	Metadata           map[string]string `json:"user.metadata"`
	MD5                []byte            `json:"md5"`
	Size               *int64            `json:"size,omitempty"`
}

// mostAttrs is how large a file of attributes may be.
const mostAttrs = 1 << 20

// none are the attributes of a blob that has none.
func none() attributes { return attributes{ContentType: "application/octet-stream"} }

// attrs returns the attributes that were kept for a blob.
func (b *bucket) attrs(fsys *ftpnat.FS, name string, blob fs.FileInfo) (attributes, error) {
	if b.opts.NoMetadata {
		return none(), nil
	}
	f, err := fsys.Open(name + attrsExt)
	if errors.Is(err, fs.ErrNotExist) {
		return none(), nil
	}
	if err != nil {
		return attributes{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return attributes{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, mostAttrs))
	if err != nil {
		return attributes{}, err
	}
	var a attributes
	if err := json.Unmarshal(data, &a); err != nil {
		return attributes{}, fmt.Errorf("%s: %w", name+attrsExt, err)
	}
	if outdated(blob, info, a.Size) {
		return none(), nil
	}
	return a, nil
}

// outdated reports whether a blob was replaced after its attributes were written.
func outdated(blob, attrs fs.FileInfo, size *int64) bool {
	if size != nil && *size != blob.Size() {
		return true
	}
	unit := time.Second
	if facts, ok := attrs.Sys().(*ftpnat.Facts); ok {
		unit = facts.Precision
	}
	return blob.ModTime().After(attrs.ModTime().Add(unit))
}

// keep writes the attributes of a blob.
func (b *bucket) keep(fsys *ftpnat.FS, name string, a attributes, size int64) error {
	a.Size = &size
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = fsys.Upload(name+attrsExt, bytes.NewReader(data))
	return err
}

// drop removes the attributes of a blob, if there are any.
func (b *bucket) drop(fsys *ftpnat.FS, name string) error {
	if b.opts.NoMetadata {
		return nil
	}
	if err := fsys.Remove(name + attrsExt); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

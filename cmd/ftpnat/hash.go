package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/ftpnat/ftpnat"
)

// errDiffers says that a file that was copied is not like its original.
var errDiffers = errors.New("the copy is not like the original: their sizes or hashes differ")

// algorithms are the hashes that a server may compute, the one to be preferred
// first.
var algorithms = []struct {
	name string // as FS.Hash has it
	make func() hash.Hash
}{
	{"SHA-256", sha256.New},
	{"SHA-512", sha512.New},
	{"SHA-1", sha1.New},
	{"MD5", md5.New},
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }},
}

// hashes compares a file of both sides by its content. A server that computes no
// hashes sends the file once more.
func (j *job) hashes(ctx context.Context, name string) (same bool, err error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return false, localRead(err)
	}
	sum, h, err := remoteHash(j.fsys.WithContext(ctx), j.on(name))
	if err != nil {
		return false, err
	}
	f, err := j.local.Open(local)
	if err != nil {
		return false, localRead(err)
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return false, localRead(err)
	}
	return bytes.Equal(sum, h.Sum(nil)), nil
}

// remoteHash returns the hash of a file on the server, and a new hash of that
// kind.
func remoteHash(fsys *ftpnat.FS, name string) ([]byte, hash.Hash, error) {
	if sum, h, err := serverHash(fsys, name); !errors.Is(err, errors.ErrUnsupported) {
		return sum, h, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, nil, err
	}
	return h.Sum(nil), sha256.New(), nil
}

// serverHash is remoteHash by what the server computes. The error is
// errors.ErrUnsupported if it computes none.
func serverHash(fsys *ftpnat.FS, name string) ([]byte, hash.Hash, error) {
	for _, a := range algorithms {
		sum, err := fsys.Hash(name, a.name)
		var refused *ftpnat.ReplyError
		switch {
		case err == nil:
			return sum, a.make(), nil
		case !errors.Is(err, errors.ErrUnsupported) && !errors.As(err, &refused):
			return nil, nil, err
		}
	}
	return nil, nil, errors.ErrUnsupported
}

package main

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/ftpnat/ftpnat"
)

// errDiffers says that a file that was copied is not like its original.
var errDiffers = errors.New("the copy is not like the original: their hashes differ")

// algorithms are the hashes that servers compute by a command of their own, the
// one to be preferred first. HASH names its own.
var algorithms = []struct {
	name, verb string
	make       func() hash.Hash
}{
	{"SHA256", "XSHA256", sha256.New},
	{"SHA512", "XSHA512", sha512.New},
	{"SHA1", "XSHA1", sha1.New},
	{"MD5", "XMD5", md5.New},
	{"CRC32", "XCRC", func() hash.Hash { return crc32.NewIEEE() }},
}

// hasher has the server compute hashes, on a connection of its own, if it can.
type hasher struct {
	mu   sync.Mutex
	conn *ftpnat.Conn // nil until the first question
	dial func(context.Context) (*ftpnat.Conn, error)
	root string // what leads to the names of the FS: empty or a slash
}

// hashes compares a file of both sides by its content. A server that computes no
// hashes sends the file once more.
func (j *job) hashes(ctx context.Context, name string) (same bool, err error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return false, localRead(err)
	}
	sum, makeHash, err := j.hasher.ask(ctx, j.on(name))
	if err != nil {
		return false, err
	}
	if sum == "" {
		h := sha256.New()
		f, err := j.fsys.Open(j.on(name))
		if err != nil {
			return false, err
		}
		defer f.Close()
		if _, err := io.Copy(h, f); err != nil {
			return false, err
		}
		sum, makeHash = hex.EncodeToString(h.Sum(nil)), sha256.New
	}
	f, err := j.local.Open(local)
	if err != nil {
		return false, localRead(err)
	}
	defer f.Close()
	h := makeHash()
	if _, err := io.Copy(h, f); err != nil {
		return false, localRead(err)
	}
	return strings.EqualFold(sum, hex.EncodeToString(h.Sum(nil))), nil
}

// ask returns the hash that the server computes, and an empty one if it cannot.
func (h *hasher) ask(ctx context.Context, name string) (string, func() hash.Hash, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		c, err := h.dial(ctx)
		if err != nil {
			return "", nil, err
		}
		h.conn = c
	}
	features := h.conn.Report().Features
	verb := ""
	for _, a := range algorithms {
		if _, ok := features[a.verb]; ok && verb == "" {
			verb = a.verb
		}
	}
	if _, ok := features["HASH"]; ok {
		verb = "HASH"
	}
	if verb == "" {
		return "", nil, nil
	}
	r, err := h.conn.Do(ctx, 2, verb, h.root+name)
	var refused *ftpnat.ReplyError
	if errors.As(err, &refused) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	sum, makeHash := readHash(verb, name, r)
	return sum, makeHash, nil
}

var hexRun = regexp.MustCompile(`\b[0-9A-Fa-f]{8,128}\b`)

// readHash finds the hash in a reply: the one run of hexadecimal digits that has
// the length of one, outside of the file's name.
func readHash(verb, name string, r ftpnat.Reply) (string, func() hash.Hash) {
	text := strings.ReplaceAll(r.Text(), name, " ")
	plain := strings.ToUpper(strings.ReplaceAll(text, "-", ""))
	for _, a := range algorithms {
		if verb != a.verb && (verb != "HASH" || !strings.HasPrefix(strings.TrimSpace(plain), a.name+" ")) {
			continue
		}
		found := ""
		for _, s := range hexRun.FindAllString(text, -1) {
			if len(s) != 2*a.make().Size() {
				continue
			}
			if found != "" {
				return "", nil
			}
			found = s
		}
		return found, a.make
	}
	return "", nil
}

func (h *hasher) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		_ = h.conn.Close()
	}
}

package ftpnat

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"hash/crc32"
	"regexp"
	"strings"
)

// algorithm is a hash that servers compute of a file.
type algorithm struct {
	name string // as HASH has it, upper case and without hyphens
	verb string // of the command of its own, from before HASH
	make func() hash.Hash
}

// algorithms are those known, the one to be preferred first.
var algorithms = []algorithm{
	{"SHA256", "XSHA256", sha256.New},
	{"SHA512", "XSHA512", sha512.New},
	{"SHA1", "XSHA1", sha1.New},
	{"MD5", "XMD5", md5.New},
	{"CRC32", "XCRC", func() hash.Hash { return crc32.NewIEEE() }},
}

// digest is a file's hash as the server tells it, in hexadecimal digits.
type digest struct {
	algorithm algorithm
	sum       string
}

// digest asks for a file's hash: by HASH (draft-bryan-ftpext-hash-02), or else
// by the command of an algorithm. It reports whether there is one to be had. A
// server that takes longer over it than over any other command is not asked
// again: the file may be right all the same.
func (ls *lease) digest(ctx context.Context, name string) (digest, bool, error) {
	d, ok, err := ls.hash(ctx, name)
	for _, a := range algorithms {
		if ok || err != nil {
			break
		}
		if _, listed := ls.l.sess.Feature(a.verb); listed {
			d, ok, err = ls.hashBy(ctx, a, name)
		}
	}
	if err != nil && isSilence(err) && ctx.Err() == nil {
		ls.l.note("the hash of %s is not known, and not compared: %v", name, err)
		return digest{}, false, nil
	}
	return d, ok, err
}

// hashBy asks by the command of an algorithm.
func (ls *lease) hashBy(ctx context.Context, a algorithm, name string) (digest, bool, error) {
	line, err := ls.line(a.verb, name)
	if err != nil {
		return digest{}, false, err
	}
	r, err := ls.l.do(ctx, line)
	sum := hexDigest(r, name, a)
	return digest{a, sum}, r.completed() && sum != "", err
}

// hash asks by HASH, which uses the algorithm that was chosen by OPTS; the
// reply names it.
func (ls *lease) hash(ctx context.Context, name string) (digest, bool, error) {
	offer, ok := ls.l.sess.Feature("HASH")
	if !ok {
		return digest{}, false, nil
	}
	line, err := ls.line("HASH", name)
	if err != nil {
		return digest{}, false, err
	}
	if choose := chooseHash(offer); choose != "" {
		// What becomes of it is told by the reply to HASH.
		if _, err := ls.l.do(ctx, "OPTS HASH "+choose); err != nil {
			return digest{}, false, err
		}
	}
	r, err := ls.l.do(ctx, line)
	if err != nil || !r.completed() {
		return digest{}, false, err
	}
	word, _, _ := strings.Cut(strings.TrimSpace(r.Lines[len(r.Lines)-1]), " ")
	for _, a := range algorithms {
		if sum := hexDigest(r, name, a); plainHash(word) == a.name && sum != "" {
			return digest{a, sum}, true, nil
		}
	}
	return digest{}, false, nil
}

// chooseHash returns the best algorithm of those that a FEAT line offers, in
// the server's spelling: empty where that is in use already or none is known.
func chooseHash(offer string) string {
	for _, a := range algorithms {
		for _, name := range strings.FieldsFunc(offer, func(r rune) bool { return r == ';' || r == ' ' }) {
			spelled, used := strings.CutSuffix(name, "*")
			switch {
			case plainHash(spelled) != a.name:
			case used:
				return ""
			default:
				return spelled
			}
		}
	}
	return ""
}

// plainHash returns an algorithm's name in the one spelling used here.
func plainHash(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", ""))
}

var hexRun = regexp.MustCompile(`\b[0-9A-Fa-f]+\b`)

// hexDigest finds the one number in a reply about a file that is as long as a
// hash of the algorithm; empty where there is none, or more than one.
func hexDigest(r Reply, name string, a algorithm) string {
	found := ""
	for _, s := range hexRun.FindAllString(strings.ReplaceAll(r.Text(), baseName(name), " "), -1) {
		if len(s) != 2*a.make().Size() {
			continue
		}
		if found != "" && !strings.EqualFold(found, s) {
			return ""
		}
		found = s
	}
	return found
}

package remote

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Algorithm is a hash that servers compute of a file.
type Algorithm struct {
	Name string // as HASH has it, in upper case and without hyphens
	New  func() hash.Hash

	verb string // of the command of its own, from before HASH
}

// algorithms are the known ones, the preferred one first.
var algorithms = []Algorithm{
	{"SHA256", sha256.New, "XSHA256"},
	{"SHA512", sha512.New, "XSHA512"},
	{"SHA1", sha1.New, "XSHA1"},
	{"MD5", md5.New, "XMD5"},
	{"CRC32", func() hash.Hash { return crc32.NewIEEE() }, "XCRC"},
}

// Digest is the hash of a file as the server reports it.
type Digest struct {
	Algorithm
	Sum string // in hexadecimal digits
}

// Hash asks for the hash of a file: by HASH (draft-bryan-ftpext-hash-02), or else
// by the command of an algorithm. It reports whether there is one to be had. A
// server that takes longer over it than over any other command is not asked
// again: the file may be right all the same.
func Hash(ctx context.Context, s *Session, name string) (Digest, bool, error) {
	d, ok, err := hashByHASH(ctx, s, name)
	for _, a := range algorithms {
		if ok || err != nil {
			break
		}
		if _, listed := s.Feature(a.verb); listed {
			d, ok, err = hashByVerb(ctx, s, a, name)
		}
	}
	if err != nil && proto.IsSilence(err) && ctx.Err() == nil {
		trace.From(ctx).Notef("the hash of %s is not known, and not compared: %v", name, err)
		return Digest{}, false, nil
	}
	return d, ok, err
}

// HashOffered returns the algorithm that Hash is going to use, by what the server says
// of itself; ok is false if there is none.
func HashOffered(s *Session) (a Algorithm, ok bool) {
	if offer, listed := s.Feature("HASH"); listed {
		if choose := chosenHash(offer); choose.New != nil {
			return choose, true
		}
	}
	for _, a := range algorithms {
		if _, listed := s.Feature(a.verb); listed {
			return a, true
		}
	}
	return Algorithm{}, false
}

// HashBy asks for the hash of a file by an algorithm of a name such as "SHA-256".
// If the server does not have it, or it is not one of those known here, the error
// is errors.ErrUnsupported.
func HashBy(ctx context.Context, s *Session, name, algorithm string) (sum []byte, err error) {
	i := slices.IndexFunc(algorithms, func(a Algorithm) bool { return a.Name == plainHash(algorithm) })
	if i < 0 {
		return nil, proto.Unable("the hash " + algorithm + " is not known")
	}
	a := algorithms[i]
	var r proto.Reply
	var line string
	offer, _ := s.Feature("HASH")
	if _, listed := s.Feature(a.verb); listed {
		line, r, err = askHash(ctx, s, a.verb, name)
	} else if spelled := offeredAs(offer, a); spelled != "" {
		line, r, err = hashChosen(ctx, s, offer, spelled, name)
	} else {
		return nil, proto.Unable("the server does not offer " + algorithm)
	}
	switch {
	case err != nil:
		return nil, err
	case !r.Completed():
		return nil, Explain(ctx, s, OpAccess, name, proto.Refusal(line, r))
	}
	if sum, err = hex.DecodeString(hexDigest(r, name, a)); err != nil || len(sum) == 0 {
		return nil, proto.Unable("the server's answer has no " + algorithm + " in it: " + r.String())
	}
	return sum, nil
}

// askHash sends a command that asks for a hash.
func askHash(ctx context.Context, s *Session, verb, name string) (line string, r proto.Reply, err error) {
	if line, err = s.Line(verb, name); err == nil {
		r, err = s.Do(ctx, line)
	}
	return line, r, err
}

// hashChosen asks by HASH with an algorithm that is chosen for this once.
func hashChosen(ctx context.Context, s *Session, offer, spelled, name string) (line string, r proto.Reply, err error) {
	usual := usedHash(offer)
	if usual != spelled {
		line = "OPTS HASH " + spelled
		if r, err = s.Do(ctx, line); err != nil || !r.Completed() {
			return line, r, err
		}
		defer func() {
			if err == nil && usual != "" {
				_, err = s.Do(ctx, "OPTS HASH "+usual)
			}
		}()
	}
	return askHash(ctx, s, "HASH", name)
}

// hashNames returns the algorithms that a line of FEAT offers, in the server's
// spelling. The one in use ends with an asterisk.
func hashNames(offer string) []string {
	return strings.FieldsFunc(offer, func(r rune) bool { return r == ';' || r == ' ' })
}

// offeredAs returns how a line of FEAT spells an algorithm; empty if it has not.
func offeredAs(offer string, a Algorithm) string {
	for _, name := range hashNames(offer) {
		if spelled := strings.TrimSuffix(name, "*"); plainHash(spelled) == a.Name {
			return spelled
		}
	}
	return ""
}

// usedHash returns the algorithm that is in use by a line of FEAT.
func usedHash(offer string) string {
	for _, name := range hashNames(offer) {
		if spelled, used := strings.CutSuffix(name, "*"); used {
			return spelled
		}
	}
	return ""
}

// chosenHash returns the best algorithm of those that a line of FEAT offers; the
// zero Algorithm if none is known.
func chosenHash(offer string) Algorithm {
	for _, a := range algorithms {
		if offeredAs(offer, a) != "" {
			return a
		}
	}
	return Algorithm{}
}

// hashByVerb asks by the command of an algorithm.
func hashByVerb(ctx context.Context, s *Session, a Algorithm, name string) (Digest, bool, error) {
	_, r, err := askHash(ctx, s, a.verb, name)
	sum := hexDigest(r, name, a)
	return Digest{a, sum}, r.Completed() && sum != "", err
}

// hashByHASH asks by HASH, which uses the algorithm that was chosen by OPTS. The reply
// names it.
func hashByHASH(ctx context.Context, s *Session, name string) (Digest, bool, error) {
	offer, ok := s.Feature("HASH")
	if !ok {
		return Digest{}, false, nil
	}
	line, err := s.Line("HASH", name)
	if err != nil {
		return Digest{}, false, err
	}
	if choose := chooseHash(offer); choose != "" {
		// The reply to HASH tells whether that was accepted.
		if _, err := s.Do(ctx, "OPTS HASH "+choose); err != nil {
			return Digest{}, false, err
		}
	}
	r, err := s.Do(ctx, line)
	if err != nil || !r.Completed() {
		return Digest{}, false, err
	}
	word, _, _ := strings.Cut(strings.TrimSpace(r.Lines[len(r.Lines)-1]), " ")
	for _, a := range algorithms {
		if sum := hexDigest(r, name, a); plainHash(word) == a.Name && sum != "" {
			return Digest{a, sum}, true, nil
		}
	}
	return Digest{}, false, nil
}

// chooseHash returns the best algorithm of those that a line of FEAT offers, in
// the server's spelling; empty if that is in use already or none is known.
func chooseHash(offer string) string {
	best := chosenHash(offer)
	if best.New == nil {
		return ""
	}
	if spelled := offeredAs(offer, best); spelled != usedHash(offer) {
		return spelled
	}
	return ""
}

// plainHash returns an algorithm's name in the one spelling used here.
func plainHash(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", ""))
}

// apart reports whether a character separates words.
func apart(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// isHex reports whether a word is a number in hexadecimal digits.
func isHex(word string) bool { return strings.Trim(word, "0123456789abcdefABCDEF") == "" }

// hexDigest returns the one number in a reply about a file that is as long as a
// hash of the algorithm; empty if there is none, or more than one.
func hexDigest(r proto.Reply, name string, a Algorithm) string {
	text, digits := r.Text(), 2*a.New().Size()
	if base := BaseName(name); len(base) >= digits {
		// It may look like a hash. A shorter one may stand in the middle of it.
		text = strings.ReplaceAll(text, base, " ")
	}
	found := ""
	for sum := range strings.FieldsFuncSeq(text, apart) {
		if len(sum) != digits || !isHex(sum) {
			continue
		}
		if found != "" && !strings.EqualFold(found, sum) {
			return ""
		}
		found = sum
	}
	return found
}

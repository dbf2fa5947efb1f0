package ftpnat

import (
	"context"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
)

// maxLinks is how many symbolic links in a row are followed.
const maxLinks = 16

// stat describes what a name leads to. Where a listing must be had for that,
// one that is some seconds old will do if recent.
func (ls *lease) stat(ctx context.Context, name string, recent bool) (listing.Entry, error) {
	at := name
	for range maxLinks {
		e, err := ls.lstat(ctx, at, recent)
		if err != nil || e.Type != listing.TypeLink {
			e.Name = baseName(name)
			return e, err
		}
		if e.Target == "" {
			return ls.probe(ctx, at, e)
		}
		if at, err = ls.follow(ctx, at, e.Target); err != nil {
			return e, err
		}
	}
	return listing.Entry{}, errors.New("too many levels of symbolic links")
}

// follow returns where a link leads to, from the pool's directory. A path that
// leads out of it stays as it is.
func (ls *lease) follow(ctx context.Context, link, target string) (string, error) {
	if !strings.HasPrefix(target, "/") {
		parent, _ := split(link)
		return slashed(path.Join(parent, target)), nil
	}
	home, err := ls.home(ctx)
	if err != nil {
		return "", err
	}
	target = path.Clean(target)
	if rest, ok := strings.CutPrefix(target+"/", strings.TrimSuffix(home, "/")+"/"); ok && home != "" {
		return strings.TrimSuffix(rest, "/"), nil
	}
	return target, nil
}

// probe finds out what a link leads to on a server that does not say where.
func (ls *lease) probe(ctx context.Context, name string, e listing.Entry) (listing.Entry, error) {
	n, err := ls.size(ctx, name)
	if err != nil {
		return e, err
	}
	e.Type, e.Size, e.HasMode = listing.TypeFile, n, false
	if n >= 0 {
		return e, ls.touched(ctx, name, &e)
	}
	wire, err := ls.encode(name)
	if err != nil {
		return e, err
	}
	err = ls.inside(ctx, wire, func() error { return nil })
	e.Type, e.Size = listing.TypeDir, 0
	var refused *ReplyError
	if errors.As(err, &refused) {
		return e, missing(err)
	}
	return e, err
}

// glance describes a file in one round trip, by its size and, where that comes
// along, its time. It is for servers without MLST, where all else is in the
// parent's listing. A name that has a size is taken for a file; a few servers
// tell one of a directory too. It reports whether there is such a file.
func (ls *lease) glance(ctx context.Context, name string) (e listing.Entry, ok bool, err error) {
	if ls.machine(hasMLST) == yes || name == "" || strings.TrimRight(name, " \t") != name {
		// Some servers cut blanks off the end and tell of another file.
		return e, false, nil
	}
	if _, times := ls.l.sess.Feature("MDTM"); !times {
		// Without its time the file could not be told from a later one.
		return e, false, nil
	}
	parent, _ := split(name)
	if _, known := ls.p.server.recall(parent); known {
		return e, false, nil
	}
	e = listing.Entry{Name: baseName(name), Type: listing.TypeFile}
	if !ls.l.takesAhead() {
		e.Size, err = ls.size(ctx, name)
		return e, e.Size >= 0, err
	}
	wire, err := ls.encode(name)
	if err != nil {
		return e, false, err
	}
	replies, err := ls.l.doAll(ctx, "SIZE "+wire, "MDTM "+wire)
	if err != nil {
		return e, false, err
	}
	e.Size = sizeIn(replies[0])
	timeIn(replies[1], &e)
	return e, e.Size >= 0, nil
}

// touched asks for the time of a file.
func (ls *lease) touched(ctx context.Context, name string, e *listing.Entry) error {
	line, err := ls.line("MDTM", name)
	if err != nil {
		return err
	}
	r, err := ls.ask(ctx, line)
	if err != nil {
		return err
	}
	timeIn(r, e)
	return nil
}

// timeIn takes the time out of a reply to MDTM, where there is one.
func timeIn(r Reply, e *listing.Entry) {
	stamp, _, _ := strings.Cut(strings.TrimSpace(r.Text()), ".")
	if t, err := time.ParseInLocation("20060102150405", stamp, time.UTC); r.Code == 213 && err == nil {
		e.ModTime, e.Precision, e.Absolute = t, listing.PrecisionSecond, true
	}
}

// ask sends a command that asks something.
func (ls *lease) ask(ctx context.Context, line string) (Reply, error) {
	if ls.eager {
		return ls.l.doAhead(ctx, line)
	}
	return ls.l.do(ctx, line)
}

// size asks for the size of a file: -1 when the server does not tell.
func (ls *lease) size(ctx context.Context, name string) (int64, error) {
	if ls.p.server.ask(hasSIZE) == no {
		return -1, nil
	}
	line, err := ls.line("SIZE", name)
	if err != nil {
		return -1, err
	}
	r, err := ls.ask(ctx, line)
	if err != nil {
		return -1, err
	}
	if unsupported(r) {
		ls.p.server.learn(hasSIZE, no)
	}
	return sizeIn(r), nil
}

// sizeIn returns the size in a reply to SIZE: -1 where there is none.
func sizeIn(r Reply) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(r.Text()), 10, 64)
	if r.Code != 213 || err != nil || n < 0 {
		return -1
	}
	return n
}

// lstat describes what stands under a name.
func (ls *lease) lstat(ctx context.Context, name string, recent bool) (listing.Entry, error) {
	if ls.machine(hasMLST) == yes {
		e, known, err := ls.mlst(ctx, name)
		if known || err != nil {
			return e, err
		}
	}
	if name == "" {
		return listing.Entry{Name: ".", Type: listing.TypeDir}, nil
	}
	if strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../") {
		// No listing of ours names it.
		return ls.probe(ctx, name, listing.Entry{Name: baseName(name)})
	}
	return ls.listed(ctx, name, recent)
}

// unfollowed is lstat for who must know a link from what it leads to: some
// servers follow it in MLST and not in MLSD.
func (ls *lease) unfollowed(ctx context.Context, name string) (listing.Entry, error) {
	e, err := ls.lstat(ctx, name, false)
	if err != nil || e.Type == listing.TypeLink || name == "" || ls.machine(hasMLST) != yes || ls.p.server.ask(showsLinks) == yes {
		return e, err
	}
	return ls.listed(ctx, name, false)
}

// listed describes what stands under a name in its parent's listing.
func (ls *lease) listed(ctx context.Context, name string, recent bool) (listing.Entry, error) {
	parent, base := split(name)
	if recent {
		if entries, ok := ls.p.server.recall(parent); ok {
			if e, ok := find(entries, base); ok {
				return ls.sized(ctx, name, e)
			}
		}
	}
	entries, err := ls.list(ctx, parent)
	if errors.Is(err, errNotDir) {
		// The parent is a file.
		return listing.Entry{}, missing(err)
	}
	if err != nil {
		return listing.Entry{}, err
	}
	e, ok := find(entries, base)
	if !ok {
		return listing.Entry{}, errMissing
	}
	return ls.sized(ctx, name, e)
}

// sized completes an entry whose size the listing does not tell.
func (ls *lease) sized(ctx context.Context, name string, e listing.Entry) (listing.Entry, error) {
	if e.Size >= 0 || e.Type != listing.TypeFile {
		return e, nil
	}
	n, err := ls.size(ctx, name)
	e.Size = n
	return e, err
}

// mlst asks for one entry: RFC 3659, 7. It is not known where the server's
// answer is of no use.
func (ls *lease) mlst(ctx context.Context, name string) (e listing.Entry, known bool, err error) {
	line, err := ls.line("MLST", name)
	if err != nil {
		return e, false, err
	}
	r, err := ls.ask(ctx, line)
	if err != nil {
		return e, false, err
	}
	return ls.mlstReply(name, line, r)
}

// mlstReply takes the entry of a name out of a reply to MLST.
func (ls *lease) mlstReply(name, line string, r Reply) (e listing.Entry, known bool, err error) {
	switch {
	case r.Code/100 == 4:
		if saysMissing(r) {
			return e, false, nil
		}
		return e, false, replyError(line, r)
	case unsupported(r) || r.completed() && len(r.Lines) < 3:
		ls.p.server.learn(hasMLST, no)
		return e, false, nil
	case !r.completed():
		if saysMissing(r) {
			return e, true, missing(replyError(line, r))
		}
		return e, false, nil
	}
	e, err = listing.ParseMLSx(strings.TrimRight(r.Lines[1], "\r"))
	if err != nil || e.Type == listing.TypeUnknown || e.Type == listing.TypeFile && e.Size < 0 {
		ls.p.server.learn(hasMLST, no)
		return e, false, nil
	}
	if e.Type == listing.TypeLink {
		ls.p.server.learn(showsLinks, yes)
	}
	if e.Type == listing.TypeCurrent || e.Type == listing.TypeParent {
		e.Type = listing.TypeDir
	}
	e.Name = baseName(name)
	if cs := ls.charset(); cs != nil && e.Target != "" {
		e.Target, err = cs.Decode(e.Target)
	}
	return e, true, err
}

// exists reports whether a name is in its parent's listing.
func (ls *lease) exists(ctx context.Context, name string) (bool, error) {
	_, err := ls.lstat(ctx, name, false)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil, err
}

// kept checks that an odd name came to be as it is: some servers cut off or
// replace what they do not like, in every command and in silence, so that the
// listing alone tells.
func (ls *lease) kept(ctx context.Context, name string) error {
	parent, base := split(name)
	foreign := ls.foreign(base)
	if !foreign && !oddName(base) {
		return nil
	}
	entries, err := ls.list(ctx, parent)
	if err != nil {
		return err
	}
	if _, ok := find(entries, base); !ok {
		return unable("the server gives the name another form")
	}
	if foreign {
		ls.p.server.learn(keepsBytes, yes)
	}
	return nil
}

// oddName reports whether a name has what servers are known to change: blanks
// at its ends, control characters, bytes that are not UTF-8, quotes, backslashes.
func oddName(name string) bool {
	return strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) ||
		!utf8.ValidString(name) || strings.ContainsAny(name, `"\\`)
}

// foreign reports whether a name has letters beyond ASCII and the server did not
// say that it has UTF-8, nor was seen to keep such a name.
func (ls *lease) foreign(name string) bool {
	if _, ok := ls.l.sess.Feature("UTF8"); ok || ls.p.server.ask(keepsBytes) == yes {
		return false
	}
	return strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII })
}

// why finds out what a refusal of a command on a name means: RFC 959 has the
// one code 550 for all that can be wrong with a file.
func (ls *lease) why(ctx context.Context, name string, err error) error {
	var refused *ReplyError
	if !errors.As(err, &refused) || refused.Temporary() && !forGood(refused.Reply) || unsupported(refused.Reply) {
		return err
	}
	there, serr := ls.exists(ctx, name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case serr == nil && !there:
		return missing(err)
	case serr == nil:
		return denied(err)
	}
	return guess(err, refused.Reply)
}

// whyNoList is why for a directory that could not be listed.
func (ls *lease) whyNoList(ctx context.Context, dir string, err error) error {
	var refused *ReplyError
	if !errors.As(err, &refused) {
		return err
	}
	if dir == "" {
		return guess(err, refused.Reply)
	}
	e, serr := ls.stat(ctx, dir, false)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(serr, errMissing):
		return missing(err)
	case serr != nil:
		return guess(err, refused.Reply)
	case e.Type != listing.TypeDir:
		return &kindError{errNotDir, err}
	}
	return denied(err)
}

// saysMissing reports whether a refusal says in words that there is no such file.
func saysMissing(r Reply) bool {
	text := strings.ToLower(r.Text())
	for _, s := range []string{"no such", "not found", "cannot find", "does not exist", "doesn't exist"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// saysDenied reports whether a refusal says in words that it is one of rights.
func saysDenied(r Reply) bool {
	text := strings.ToLower(r.Text())
	for _, s := range []string{"denied", "permission", "not permitted", "not allowed"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// forGood reports whether a refusal is temporary by its code and not by its
// words. Some servers have 450 and 451 for all that goes wrong with a file.
func forGood(r Reply) bool {
	return (r.Code == 450 || r.Code == 451) && (saysMissing(r) || saysDenied(r))
}

// guess takes a refusal by its words, where nothing else can be had.
func guess(err error, r Reply) error {
	switch {
	case saysMissing(r):
		return missing(err)
	case saysDenied(r):
		return denied(err)
	}
	return err
}

// verbOf returns the command that a refusal belongs to.
func verbOf(err error) string {
	var refused *ReplyError
	if !errors.As(err, &refused) {
		return ""
	}
	return control.Verb(refused.Command)
}

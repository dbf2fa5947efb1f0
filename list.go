package ftpnat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
)

// maxListing bounds the bytes of one listing that are held in memory: two
// million files or so.
const maxListing = 256 << 20

// list returns what is in a directory, sorted by name.
func (ls *lease) list(ctx context.Context, dir string) ([]listing.Entry, error) {
	start, epoch := time.Now(), ls.p.server.now()
	entries, err := ls.listAny(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := ls.decode(entries); err != nil {
		return nil, err
	}
	byName := func(a, b listing.Entry) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(entries, byName) {
		slices.SortStableFunc(entries, byName)
	}
	entries = slices.CompactFunc(entries, func(a, b listing.Entry) bool { return a.Name == b.Name })
	if ls.machine(hasMLST) != yes {
		ls.p.server.keep(dir, entries, time.Since(start), epoch)
	}
	return entries, nil
}

// machine reports whether the server has a command of RFC 3659, 7.
func (ls *lease) machine(q question) answer {
	if _, ok := ls.l.sess.Feature("MLST"); !ok {
		return no
	}
	if ls.p.server.ask(q) == no {
		return no
	}
	return yes
}

// listAny lists by MLSD where that is to be had, else by LIST.
func (ls *lease) listAny(ctx context.Context, dir string) ([]listing.Entry, error) {
	if ls.machine(hasMLSD) != yes {
		return ls.listPlain(ctx, dir)
	}
	line, err := ls.line("MLSD", dir)
	if err != nil {
		return nil, err
	}
	entries, err := ls.listing(ctx, line, listing.FormatMLSx)
	var refused *ReplyError
	var unread *listing.LineError
	switch {
	case err == nil && !slices.ContainsFunc(entries, func(e listing.Entry) bool { return e.Type == listing.TypeUnknown }):
		return entries, nil
	case err == nil, errors.As(err, &unread):
		// Serv-U and others have an MLSD that tells less than LIST.
	case errors.As(err, &refused) && unsupported(refused.Reply):
	case errors.As(err, &refused) && !retryable(err):
		return nil, ls.whyNoList(ctx, dir, err)
	default:
		return nil, err
	}
	broken := err
	entries, err = ls.listPlain(ctx, dir)
	if err != nil && broken != nil && refused == nil {
		return nil, broken
	}
	if err == nil {
		ls.p.server.learn(hasMLSD, no)
	}
	return entries, err
}

// listPlain lists by LIST.
func (ls *lease) listPlain(ctx context.Context, dir string) ([]listing.Entry, error) {
	if dir == "" {
		return ls.listHere(ctx, dir)
	}
	wire, err := ls.encode(dir)
	if err != nil {
		return nil, err
	}
	if dash := ls.p.server.ask(takesDashA); dash != unknown && plainName(wire) {
		line := "LIST " + wire
		if dash == yes {
			line = "LIST -a " + wire
		}
		entries, err := ls.listing(ctx, line, listing.FormatAuto)
		if err == nil && !doubtful(entries, wire) {
			return entries, nil
		}
		if err != nil && (retryable(err) && !saysMissing(replyOf(err)) || ctx.Err() != nil) {
			return nil, err
		}
	}
	var entries []listing.Entry
	err = ls.inside(ctx, wire, func() (err error) {
		entries, err = ls.listHere(ctx, dir)
		return err
	})
	var refused *ReplyError
	if errors.As(err, &refused) && !retryable(err) && control.Verb(refused.Command) == "CWD" {
		err = ls.whyNoList(ctx, dir, err)
	}
	return entries, err
}

// doubtful reports whether a listing may be that of something else than the
// directory that was named: of a file or a link, or of nothing.
func doubtful(entries []listing.Entry, dir string) bool {
	return len(entries) == 0 || len(entries) == 1 && entries[0].Name == baseName(dir)
}

// inside calls f with the working directory changed.
func (ls *lease) inside(ctx context.Context, wire string, f func() error) error {
	home, err := ls.home(ctx)
	if err != nil {
		return err
	}
	if _, err := ls.l.want(ctx, 2, "CWD "+wire); err != nil {
		return err
	}
	err = f()
	if home != "" && ctx.Err() == nil {
		_, back := ls.l.want(ctx, 2, "CWD "+home)
		if back == nil {
			return err
		}
	}
	if ctx.Err() != nil {
		ls.l.sess.Drop(errAstray)
		return ctx.Err()
	}
	if again := ls.reopen(ctx); err == nil {
		err = again
	}
	return err
}

// home returns the name of the pool's directory, empty where the server does
// not tell it in a form that CWD surely takes.
func (ls *lease) home(ctx context.Context) (string, error) {
	s := ls.p.server
	s.mu.Lock()
	home := s.home
	s.mu.Unlock()
	if home != "" {
		return home, nil
	}
	r, err := ls.l.do(ctx, "PWD")
	if err != nil {
		return "", err
	}
	home = control.ParseDir(control.Reply(r))
	if !strings.HasPrefix(home, "/") {
		return "", nil
	}
	s.mu.Lock()
	s.home = home
	s.mu.Unlock()
	return home, nil
}

// listHere lists the working directory, dot files too.
func (ls *lease) listHere(ctx context.Context, dir string) ([]listing.Entry, error) {
	switch ls.p.server.ask(takesDashA) {
	case yes:
		return ls.listNone(ctx, dir, "LIST -a")
	case no:
		return ls.listNone(ctx, dir, "LIST")
	}
	all, err := ls.listing(ctx, "LIST -a", listing.FormatAuto)
	var refused *ReplyError
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	if err == nil && (len(all) > 1 || len(all) == 1 && all[0].Name != "-a") {
		ls.p.server.learn(takesDashA, yes)
		return all, nil
	}
	// Taken for a name, or the directory is empty.
	entries, err := ls.listNone(ctx, dir, "LIST")
	if err == nil && len(entries) > len(all) {
		ls.p.server.learn(takesDashA, no)
	}
	return entries, err
}

// listNone lists the working directory, for which some servers give a refusal
// when it is empty.
func (ls *lease) listNone(ctx context.Context, dir, line string) ([]listing.Entry, error) {
	entries, err := ls.listing(ctx, line, listing.FormatAuto)
	var refused *ReplyError
	if !errors.As(err, &refused) {
		return entries, err
	}
	text := strings.ToLower(refused.Reply.Text())
	if strings.Contains(text, "no members found") || strings.Contains(text, "no files found") || strings.Contains(text, "no data sets found") {
		return nil, nil
	}
	if dir == "" || retryable(err) {
		return nil, err
	}
	return nil, ls.whyNoList(ctx, dir, err)
}

// listing sends a command and parses what comes. It is complete, or an error. One
// that ends in the middle of a line may have been cut on its way, where the
// server does not see it: the same is asked for once more.
func (ls *lease) listing(ctx context.Context, line string, format listing.Format) ([]listing.Entry, error) {
	first, ended, err := ls.listOnce(ctx, line, format)
	var unread *listing.LineError
	if ended || ls.p.server.ask(endsLines) == no || err != nil && !errors.As(err, &unread) {
		return first, err
	}
	second, ended, err := ls.listOnce(ctx, line, format)
	if ended || err != nil {
		return second, err
	}
	if !slices.EqualFunc(first, second, func(a, b listing.Entry) bool { return a.Name == b.Name }) {
		return nil, fmt.Errorf("%w: %s ended in the middle of a line", ErrShort, line)
	}
	ls.p.server.learn(endsLines, no) // that is how it lists
	return second, nil
}

// ending notes whether what is read ends with a line.
type ending struct {
	io.Reader
	inLine bool
}

// Read reads.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if n > 0 {
		e.inLine = p[n-1] != '\n'
	}
	return n, err
}

// listOnce lists once, and reports whether that ended with the end of a line.
func (ls *lease) listOnce(ctx context.Context, line string, format listing.Format) (entries []listing.Entry, ended bool, err error) {
	ch, err := ls.l.transfer(ctx, request{line: line, mends: true})
	if err != nil {
		return nil, true, err
	}
	e := &ending{Reader: ch}
	entries, err = ls.listingFrom(ctx, ch, e, format)
	return entries, !e.inLine, err
}

// listingFrom parses what comes over a channel, read through from.
func (ls *lease) listingFrom(ctx context.Context, ch *channel, from io.Reader, format listing.Format) ([]listing.Entry, error) {
	line := ch.req.line
	stop := ch.guard(ctx)
	entries, unread, err := parseList(from, listing.Options{Format: format, Location: ls.p.server.zone})
	stop()
	if err != nil && (ctx.Err() != nil || errors.Is(err, errHugeList)) {
		ch.closeData()
		ls.l.sess.Drop(err)
		return nil, contextual(ctx, err)
	}
	r, verr := ch.finish(ctx)
	switch {
	case verr == nil && !r.completed():
		return nil, replyError(line, r)
	case verr == nil && strings.Contains(strings.ToLower(r.Text()), "truncated"):
		return nil, fmt.Errorf("%w: %s: %s", ErrTruncated, line, r)
	case err != nil:
		return nil, err
	case verr != nil:
		return nil, verr
	}
	return entries, unread
}

var errHugeList = errors.New("the listing is longer than what is held in memory")

// parseList reads a listing to its end. The first line that cannot be
// understood is in unread.
func parseList(r io.Reader, o listing.Options) (entries []listing.Entry, unread, err error) {
	lr := &io.LimitedReader{R: r, N: maxListing}
	var keeper listing.Keeper
	for e, err := range listing.NewParser(o).All(lr) {
		var le *listing.LineError
		switch {
		case err == nil:
			entries = append(entries, keeper.Keep(e))
		case !errors.As(err, &le):
			return nil, nil, err
		case unread == nil:
			unread = err
		}
	}
	if lr.N <= 0 {
		return nil, nil, errHugeList
	}
	if unread != nil {
		// An overlong line ends the parser: what follows is thrown away, so
		// that the transfer can end in good order.
		_, err = io.Copy(io.Discard, lr)
	}
	return entries, unread, err
}

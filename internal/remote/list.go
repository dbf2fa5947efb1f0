package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// List returns the content of a directory, sorted by name. It is complete, or
// there is an error.
func (s *Session) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	start, epoch := time.Now(), s.Server.Epoch()
	entries, err := s.listAny(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := s.Decode(entries); err != nil {
		return nil, err
	}
	entries = Sort(entries)
	if !s.HasMLST() {
		s.Server.Keep(dir, entries, time.Since(start), epoch)
	}
	return entries, nil
}

// listAny lists by MLSD if the server has that, else by LIST.
func (s *Session) listAny(ctx context.Context, dir string) ([]listing.Entry, error) {
	if !s.HasMLSD() {
		return s.listPlain(ctx, dir)
	}
	line, err := s.Line("MLSD", dir)
	if err != nil {
		return nil, err
	}
	entries, err := s.listing(ctx, line, listing.FormatMLSx)
	var unread *listing.LineError
	unclear := err == nil && slices.ContainsFunc(entries, isUnknown) || errors.As(err, &unread)
	switch {
	case unclear:
		// Serv-U and others have an MLSD that tells less than LIST.
	case err == nil:
		return entries, nil
	case proto.RefusedAt(err) && proto.ReplyOf(err).Unsupported():
	case proto.RefusedAt(err) && !retry.Worth(err):
		return nil, s.Explain(ctx, OpList, dir, err)
	default:
		return nil, err
	}
	plain, perr := s.listPlain(ctx, dir)
	if perr == nil {
		s.Server.Learn(MLSD, false)
		return plain, nil
	}
	if unclear && err != nil {
		return nil, err
	}
	return nil, perr
}

func isUnknown(e listing.Entry) bool { return e.Type == listing.TypeUnknown }

// listPlain lists by LIST.
func (s *Session) listPlain(ctx context.Context, dir string) ([]listing.Entry, error) {
	if dir == "" {
		return s.listHere(ctx, dir)
	}
	wire, err := s.Encode(dir)
	if err != nil {
		return nil, err
	}
	if line := listLine(s.Server.Knows(DashA)); line != "" && PlainName(wire) {
		entries, err := s.listing(ctx, line+" "+wire, listing.FormatAuto)
		if err == nil && !Doubtful(entries, wire) {
			return entries, nil
		}
		if err != nil && (retry.Worth(err) && !proto.ReplyOf(err).Missing() || ctx.Err() != nil) {
			return nil, err
		}
	}
	var entries []listing.Entry
	entered, err := s.inside(ctx, wire, func() (err error) {
		entries, err = s.listHere(ctx, dir)
		return err
	})
	if !entered && proto.RefusedAt(err) && !retry.Worth(err) {
		return nil, s.Explain(ctx, OpList, dir, err)
	}
	return entries, err
}

// Doubtful reports whether a listing may be that of something else than the
// directory that was named: of a file or a link, or of nothing.
func Doubtful(entries []listing.Entry, dir string) bool {
	return len(entries) == 0 || len(entries) == 1 && entries[0].Name == BaseName(dir)
}

// inside calls f with the working directory changed. It reports whether the
// server has changed it: if not, the error is the refusal.
func (s *Session) inside(ctx context.Context, wire string, f func() error) (entered bool, err error) {
	home, err := s.home(ctx)
	if err != nil {
		return false, err
	}
	if _, err := s.Want(ctx, 2, "CWD "+wire); err != nil {
		return false, err
	}
	err = f()
	if home != "" && ctx.Err() == nil {
		if _, back := s.Want(ctx, 2, "CWD "+home); back == nil {
			return true, err
		}
	}
	again := s.Home(ctx)
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	if err == nil {
		err = again
	}
	return true, err
}

// home returns the name of the session's directory; empty if the server does not
// tell it in a form that CWD surely takes.
func (s *Session) home(ctx context.Context) (string, error) {
	if home := s.Server.homeDir(); home != "" {
		return home, nil
	}
	r, err := s.Do(ctx, "PWD")
	if err != nil {
		return "", err
	}
	home := control.ParseDir(r)
	if !strings.HasPrefix(home, "/") {
		return "", nil
	}
	s.Server.setHome(home)
	return home, nil
}

// listHere lists the working directory, which is dir, with dot files.
func (s *Session) listHere(ctx context.Context, dir string) ([]listing.Entry, error) {
	if line := listLine(s.Server.Knows(DashA)); line != "" {
		return s.listNone(ctx, dir, line)
	}
	all, err := s.listing(ctx, listLine(proto.Yes), listing.FormatAuto)
	if err != nil && !proto.RefusedAt(err) {
		return nil, err
	}
	if err == nil && (len(all) > 1 || len(all) == 1 && all[0].Name != "-a") {
		s.Server.Learn(DashA, true)
		return all, nil
	}
	// It was taken for a name, or the directory is empty.
	entries, err := s.listNone(ctx, dir, listLine(proto.No))
	if err == nil && len(entries) > len(all) {
		s.Server.Learn(DashA, false)
	}
	return entries, err
}

// listNone lists the working directory, which is dir. A refusal may say that it
// is empty.
func (s *Session) listNone(ctx context.Context, dir, line string) ([]listing.Entry, error) {
	entries, err := s.listing(ctx, line, listing.FormatAuto)
	switch {
	case !proto.RefusedAt(err):
		return entries, err
	case proto.ReplyOf(err).EmptyDir():
		return nil, nil
	case dir == "" || retry.Worth(err):
		return nil, err
	}
	return nil, s.Explain(ctx, OpList, dir, err)
}

// listing sends a command and parses what comes. One that ends in the middle of
// a line may have been cut on its way, where the server does not see it: the
// same is asked for once more.
func (s *Session) listing(ctx context.Context, line string, format listing.Format) ([]listing.Entry, error) {
	first, ended, err := s.listOnce(ctx, line, format)
	var unread *listing.LineError
	if ended || s.Server.Knows(EndsLines) == proto.No || err != nil && !errors.As(err, &unread) {
		return first, err
	}
	second, ended, err := s.listOnce(ctx, line, format)
	if ended || err != nil {
		return second, err
	}
	if !slices.EqualFunc(first, second, func(a, b listing.Entry) bool { return a.Name == b.Name }) {
		return nil, fmt.Errorf("%w: %s ended in the middle of a line", proto.ErrShort, line)
	}
	s.Server.Learn(EndsLines, false) // that is how it lists
	return second, nil
}

// listOnce lists once, and reports whether the listing ended with a line.
func (s *Session) listOnce(ctx context.Context, line string, format listing.Format) (entries []listing.Entry, ended bool, err error) {
	t, err := s.Transfer().Open(ctx, transfer.Request{Line: line, Resumes: true})
	if err != nil {
		return nil, true, err
	}
	stop := t.Guard(ctx)
	lines := &lineEnds{Reader: t}
	entries, unread, err := parseList(lines, listing.Options{Format: format, Location: s.Server.Zone()})
	stop()
	if errors.Is(err, errHugeList) {
		t.Cut(ctx, err)
		return nil, true, err
	}
	if err == nil {
		err = io.EOF
	}
	ended = !lines.inside
	if err = t.End(ctx, err); err != io.EOF {
		return nil, ended, err
	}
	return entries, ended, unread
}

// lineEnds notes whether what is read ends with a line.
type lineEnds struct {
	io.Reader
	inside bool // a line
}

// Read reads.
func (l *lineEnds) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.inside = p[n-1] != '\n'
	}
	return n, err
}

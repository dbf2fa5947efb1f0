package walk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/session"
)

const (
	// statMost is from how many entries on STAT is not used. Servers cut there
	// by default, or give up.
	statMost = 1000
	// statLimit is how long, beyond some round trips, the next listing by STAT
	// may take if it has done no good yet. The ordinary one was there already.
	statLimit = 2 * time.Second
	// statBytes bounds the commands of one flight.
	statBytes = 16 << 10
)

// statLine returns the command that lists a directory on the control
// connection. It is not ok if the name may stand for something else.
func (l *lister) statLine(dir string) (line string, ok bool) {
	line, err := l.Line("STAT", dir)
	if err != nil {
		return "", false
	}
	wire := strings.TrimPrefix(strings.TrimPrefix(line, "STAT"), " ")
	if !remote.PlainName(wire) || strings.Contains(wire, "\xff") {
		return "", false
	}
	if wire == "" {
		wire = "."
	}
	line = "STAT " + wire
	if l.showsDots() {
		line = "STAT -a " + wire
	}
	return line, control.CheckCommand(line) == nil
}

// showsDots reports whether the server's STAT accepts -a and shows "." then,
// which tells an empty directory from one that is not there. The one that does
// not (pyftpdlib) hides no dot files either.
func (l *lister) showsDots() bool { return !strings.Contains(l.Greeting().Text(), "pyftpdlib") }

// answer is what came of a STAT: list is nil if it cannot be relied on.
type answer struct {
	dir  string
	list *Dir
}

// statAll asks for the listings of directories in one flight, of as many as it
// has room for.
func (l *lister) statAll(ctx context.Context, dirs []string) ([]answer, error) {
	m, err := newMarks()
	if err != nil {
		return nil, err
	}
	var lines []string
	size := 0
	for i, dir := range dirs {
		line, _ := l.statLine(dir)
		if size += len(line) + len(m.line(i)); size > statBytes && i > 1 {
			break
		}
		lines = append(lines, line, m.line(i))
	}
	lines = append(lines, unmark)
	var got []answer
	start, epoch := time.Now(), l.w.server.Epoch()
	limit := l.w.limit
	if l.w.known() != proto.Yes {
		limit = min(limit, statLimit+4*l.RTT())
	}
	err = l.Batch(ctx, lines, limit, func(n int, r proto.Reply) error {
		switch {
		case n == len(lines)-1:
			return m.checkEnd(r)
		case n%2 == 1:
			return m.check(n/2, r)
		}
		got = append(got, answer{dirs[n/2], l.statDir(dirs[n/2], r)})
		return nil
	})
	l.blameDir(err, dirs, len(got))
	for _, a := range got {
		if a.list != nil {
			a.list.took, a.list.epoch = time.Since(start), epoch
		}
	}
	return got, err
}

// blameDir avoids the directory whose listing cost a connection: one that is too
// long for a reply, or that holds names which make up replies.
func (l *lister) blameDir(err error, dirs []string, replies int) {
	garbled := isGarbled(err)
	if garbled && replies < len(dirs) {
		l.w.forecast.avoid(dirs[replies])
	}
	if (garbled || errors.Is(err, session.ErrMisaligned)) && replies > 0 {
		l.w.forecast.avoid(dirs[replies-1])
	}
}

// isGarbled reports whether the server sent what is no reply, or none that can
// be read.
func isGarbled(err error) bool {
	var strange *control.ProtocolError
	return errors.As(err, &strange)
}

// statDir returns the listing in a reply to STAT, nil if there is none or if it
// must be looked at in the ordinary way.
func (l *lister) statDir(dir string, r proto.Reply) *Dir {
	if r.Unsupported() {
		l.w.learn(proto.No)
		return nil
	}
	if r.Code < 211 || r.Code > 213 || len(r.Lines) < 2 || len(r.Lines) > statMost {
		return nil
	}
	entries, dots, ok := remote.ParseLines(r.Lines[1:len(r.Lines)-1], l.w.server.Zone())
	if !ok || l.showsDots() && !dots || !l.showsDots() && remote.Doubtful(entries, dir) || l.Decode(entries) != nil {
		return nil
	}
	if l.HasMLSD() && slices.ContainsFunc(entries, isOther) {
		// MLSD may have another name for what they are.
		return nil
	}
	entries = remote.Sort(entries)
	d := newDir(dir, entries)
	d.links = slices.ContainsFunc(entries, isLink)
	d.keep = !l.HasMLST()
	d.lines = len(r.Lines)
	l.w.forecast.measure(d, false)
	if l.HasMLSD() {
		d.rough, d.use = true, newIOLock()
	}
	return d
}

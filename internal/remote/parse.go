package remote

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// maxListing bounds one listing, in bytes: two million files or so.
const maxListing = 256 << 20

var errHugeList = errors.New("the listing is longer than what is held in memory")

// parseList reads a listing to its end. The error of the first line that cannot
// be understood is in unread.
func parseList(r io.Reader, o listing.Options) (entries []listing.Entry, unread, err error) {
	lr := &io.LimitedReader{R: r, N: maxListing}
	var keeper listing.Keeper
	p := listing.NewParser(o)
	for e, err := range p.All(lr) {
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
	p.Settle(entries)
	return entries, unread, nil
}

// ParseLines parses the lines of a listing that came on the control connection,
// in the form of ls. It reports whether "." was among them, and whether all of
// them were understood.
func ParseLines(lines []string, zone *time.Location) (entries []listing.Entry, dot, ok bool) {
	p := listing.NewParser(listing.Options{Format: listing.FormatUnix, Location: zone})
	var keeper listing.Keeper
	for _, line := range lines {
		line = strings.TrimPrefix(line, " ")
		e, is, err := p.Line(line)
		switch {
		case err != nil || strings.Contains(line, "\xff"):
			// Telnet's byte may stand for something else on this connection.
			return nil, false, false
		case is:
			entries = append(entries, keeper.Keep(e))
		case strings.HasPrefix(line, "d") && strings.HasSuffix(line, " ."):
			dot = true
		}
	}
	p.Settle(entries)
	return entries, dot, true
}

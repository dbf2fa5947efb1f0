package stream

import (
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// identity is what tells a file from another one that took its name.
type identity struct {
	kind     listing.Type
	size     int64     // in bytes; -1 if it is not known
	time     time.Time // of the last change
	exact    listing.Precision
	absolute bool // the zone of time is known
	yearless bool // its year is not
}

func identityOf(e listing.Entry) identity {
	return identity{kind: e.Type, size: e.Size, time: e.ModTime, exact: e.Precision, absolute: e.Absolute, yearless: e.Yearless}
}

// sure reports whether the time tells a file from one that took its place.
func (id identity) sure() bool { return id.absolute && id.exact >= listing.PrecisionSecond }

// check returns ErrChanged if now is another file than id.
func (id identity) check(now identity) error {
	if now.size < 0 || id.size < 0 {
		now.size = id.size
	}
	if now.kind == id.kind && now.size == id.size && id.sameTime(now) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes of %v, and before %d bytes of %v", proto.ErrChanged, now.size, now.time, id.size, id.time)
}

// sameTime compares two times as far as both are exact.
func (id identity) sameTime(now identity) bool {
	entry := func(id identity) listing.Entry {
		return listing.Entry{ModTime: id.time, Precision: id.exact, Absolute: id.absolute, Yearless: id.yearless}
	}
	return remote.SameTime(entry(id), entry(now))
}

// Same returns ErrChanged if now does not describe the file that was does.
func Same(was, now listing.Entry) error { return identityOf(was).check(identityOf(now)) }

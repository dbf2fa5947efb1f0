package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestIdentity compares what two answers of a server say of one name.
func TestIdentity(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	second := identity{listing.TypeFile, 100, at, listing.PrecisionSecond, true, false}
	with := func(f func(*identity)) identity {
		id := second
		f(&id)
		return id
	}
	for _, c := range []struct {
		name string
		now  identity
		same bool
	}{
		{"itself", second, true},
		{"another size", with(func(id *identity) { id.size = 101 }), false},
		{"no size", with(func(id *identity) { id.size = -1 }), true},
		{"a directory", with(func(id *identity) { id.kind = listing.TypeDir }), false},
		{"a second later", with(func(id *identity) { id.time = at.Add(time.Second) }), false},
		{"within the second", with(func(id *identity) { id.time, id.exact = at.Add(300*time.Millisecond), listing.PrecisionFraction }), true},
		{"no time", with(func(id *identity) { id.time, id.exact = time.Time{}, listing.PrecisionNone }), true},
		{"the minute, in another zone", with(func(id *identity) {
			id.time, id.exact, id.absolute = at.Truncate(time.Minute).Add(-330*time.Minute), listing.PrecisionMinute, false
		}), true},
		{"the minute, in no zone", with(func(id *identity) {
			id.time, id.exact, id.absolute = at.Truncate(time.Minute).Add(-7*time.Minute), listing.PrecisionMinute, false
		}), false},
		{"the day, in another zone", with(func(id *identity) {
			id.time, id.exact, id.absolute = at.Truncate(24*time.Hour).Add(24*time.Hour), listing.PrecisionDay, false
		}), true},
		{"another year where none was told", with(func(id *identity) {
			id.time, id.exact, id.absolute, id.yearless = at.Truncate(time.Minute).AddDate(2, 0, 0), listing.PrecisionMinute, false, true
		}), true},
		{"another year", with(func(id *identity) {
			id.time, id.exact, id.absolute = at.Truncate(time.Minute).AddDate(2, 0, 0), listing.PrecisionMinute, false
		}), false},
		{"another minute, and no year told", with(func(id *identity) {
			id.time, id.exact, id.absolute, id.yearless = at.Truncate(time.Minute).AddDate(2, 0, 0).Add(time.Minute), listing.PrecisionMinute, false, true
		}), false},
		{"days later", with(func(id *identity) {
			id.time, id.exact, id.absolute = at.Truncate(24*time.Hour).Add(48*time.Hour), listing.PrecisionDay, false
		}), false},
	} {
		entry := func(id identity) listing.Entry {
			return listing.Entry{Type: id.kind, Size: id.size, ModTime: id.time, Precision: id.exact, Absolute: id.absolute, Yearless: id.yearless}
		}
		for name, err := range map[string]error{c.name: second.check(c.now), c.name + ", turned around": c.now.check(second), c.name + ", listed": Same(entry(second), entry(c.now))} {
			if (err == nil) != c.same || err != nil && !errors.Is(err, proto.ErrChanged) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestSure has a time tell files apart if it is one to the second, of a known zone.
func TestSure(t *testing.T) {
	for exact := listing.PrecisionNone; exact <= listing.PrecisionFraction; exact++ {
		for _, absolute := range []bool{true, false} {
			id := identity{exact: exact, absolute: absolute}
			if want := absolute && (exact == listing.PrecisionSecond || exact == listing.PrecisionFraction); id.sure() != want {
				t.Errorf("%v, absolute %v: %v", exact, absolute, !want)
			}
		}
	}
}

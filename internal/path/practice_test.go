package path

import (
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestLearn has what went well (+) or not (-) go in, and what is done from then
// on come out.
func TestLearn(t *testing.T) {
	const u, n, y = proto.Unknown, proto.No, proto.Yes
	for _, tt := range []struct {
		what   Practice
		before proto.Finding
		seen   string
		want   proto.Finding
	}{
		{Flight, u, "+", y},
		{Flight, y, "-", n},
		{Flight, n, "+", y},
		{Queue, u, "-", n},
		{Queue, y, "-", n},
		{Queue, u, "+", y},
		// A lost SYN under the first offer of a path proves nothing.
		{Ahead, u, "-", u},
		{Ahead, u, "--", n},
		{Ahead, y, "-", y},
		{Ahead, y, "--", n},
		{Ahead, y, "-+-", y},
		{Ahead, u, "-+-", y},
		{Ahead, u, "-+--", n},
		{Ahead, n, "+", n}, // one that was under way
		{Walk, u, "+", y},
		{Walk, u, "-", n},
		{Walk, y, "-", u},
		{Walk, y, "--", n},
		{Walk, y, "-+-", u},
		{Walk, n, "+", n},
	} {
		m := &memory{lessons: map[proto.Key]proto.Lesson{key: {
			Flight: tt.before, Queue: tt.before, Ahead: tt.before, Walk: tt.before, Seen: time.Now()}}}
		p := open(Config{Memory: m})
		p.Recall()
		givenUp := 0
		for _, c := range tt.seen {
			if p.Learn(tt.what, c == '+') {
				givenUp++
			}
		}
		if got := p.Takes(tt.what); got != tt.want {
			t.Errorf("practice %d, was %d, %s: got %d, want %d", tt.what, tt.before, tt.seen, got, tt.want)
		}
		if want := tt.want == n && tt.before != n; (givenUp == 1) != want || givenUp > 1 {
			t.Errorf("practice %d, was %d, %s: told %d times that it is given up", tt.what, tt.before, tt.seen, givenUp)
		}
		for other := Flight; other <= Walk; other++ {
			if other != tt.what && p.Takes(other) != tt.before {
				t.Errorf("practice %d, %s: practice %d has changed", tt.what, tt.seen, other)
			}
		}
	}
}

// TestMissesAcrossRecall counts misses in a row over what the memory says.
func TestMissesAcrossRecall(t *testing.T) {
	p := open(Config{})
	p.Recall()
	p.Learn(Ahead, false)
	p.Recall()
	if !p.Learn(Ahead, false) || p.Takes(Ahead) != proto.No {
		t.Error("two misses in a row, and still")
	}
}

// TestPatience waits for a slow server, and no longer than needed for others.
func TestPatience(t *testing.T) {
	p := open(Config{})
	if got := p.Patience(2 * time.Second); got != 2*time.Second {
		t.Errorf("nothing is known: %v", got)
	}
	p.Answered(5 * time.Second)
	p.Answered(time.Millisecond)
	if got := p.Patience(2 * time.Second); got != 10*time.Second {
		t.Errorf("a server that once took 5 s: %v", got)
	}
}

// TestQueueing gives up after two breaks in a row, or after more with few
// transfers that went well in between.
func TestQueueing(t *testing.T) {
	for seen, want := range map[string]struct{ given, wary bool }{
		"+":           {},
		"-":           {wary: true},
		"-.":          {},
		"--":          {true, true},
		"-.-":         {true, true},
		"-++++-":      {wary: true},
		"-++++-.":     {},
		"-.+-":        {wary: true},
		"-.+-.+-":     {true, true},
		"-.++++-.+++": {},
	} {
		var q Queueing
		given := false
		for _, c := range seen {
			if c == '.' {
				q.EndedPlainly()
			} else {
				given = q.Ended(c == '+')
			}
		}
		if given != want.given || q.Wary() != want.wary {
			t.Errorf("%s: given up %v, wary %v", seen, given, q.Wary())
		}
	}
}

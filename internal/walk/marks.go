package walk

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/session"
)

// marks are commands whose replies cannot be foretold. Some replies hold names of
// files as they are, line breaks too, which could pass for the end of a reply and
// for others after it: whoever may name files on the server could make up what it
// says of other directories. The reply to REST repeats its number, which nobody
// knew when the file was named.
type marks struct{ number uint32 }

func newMarks() (*marks, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	// Nine digits: servers accept no more for the size of a file.
	return &marks{100_000_000 + binary.BigEndian.Uint32(b[:])%800_000_000}, nil
}

// line returns the ith mark.
func (m *marks) line(i int) string { return fmt.Sprintf("REST %d", int(m.number)+i) }

// unmark takes the last mark back: the next transfer begins at the beginning.
const unmark = "REST 0"

// check returns an error if r does not answer the ith mark.
func (m *marks) check(i int, r proto.Reply) error {
	if r.Code != 350 || !strings.Contains(r.Text(), fmt.Sprint(int(m.number)+i)) {
		return fmt.Errorf("%w: %v", session.ErrMisaligned, r)
	}
	return nil
}

// checkEnd returns an error if r does not answer unmark.
func (m *marks) checkEnd(r proto.Reply) error {
	if r.Code != 350 {
		return fmt.Errorf("%w: %v", session.ErrMisaligned, r)
	}
	return nil
}

package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// babbler is a connection on which the other end says what it will and hears
// nothing; then it ends.
type babbler struct {
	net.Conn // nil: for the methods that nobody calls
	mu       sync.Mutex
	text     *bytes.Reader
	piece    int
	closed   bool
}

func (b *babbler) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	return b.text.Read(p[:min(len(p), b.piece)])
}

func (b *babbler) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	return len(p), nil
}

func (b *babbler) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

func (b *babbler) LocalAddr() net.Addr              { return nil }
func (b *babbler) RemoteAddr() net.Addr             { return nil }
func (b *babbler) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession runs a whole session against a server that says anything: every
// call ends, with a reply or an error, and no secret is shown.
func FuzzSession(f *testing.F) {
	f.Add([]byte("220 a\r\n331 b\r\n230 c\r\n250 d\r\n350 e\r\n"), []byte("220 a\r\n230 b\r\n250 c\r\n350 d\r\n250 e\r\n"), byte(7))
	f.Add([]byte("220-a\r\n220 b\r\n331 hush\r\n421 hush\r\n200 c\r\n"), []byte("421 no\r\n"), byte(255))
	f.Add([]byte("120 a\r\n220 b\r\n150 c\r\n150 d\r\n"), []byte("\xff\xfb\x01220 x\r\n"), byte(1))
	f.Add([]byte("220 a\r\nhush\r\n"), []byte{}, byte(0))
	f.Fuzz(func(t *testing.T, first, second []byte, piece byte) {
		texts := [][]byte{first, second}
		s := NewSession(Config{
			Dial: func(context.Context) (net.Conn, error) {
				if len(texts) == 0 {
					return nil, errNoMore
				}
				b := &babbler{text: bytes.NewReader(texts[0]), piece: 1 + int(piece)}
				texts = texts[1:]
				return b, nil
			},
			Limit: time.Minute, ReplyLimit: time.Minute, RetryFor: -1,
		})
		const secret = "\x01hush\x02"
		ctx := trace.With(t.Context(), &trace.Hooks{
			Command: func(line string) {
				if strings.Contains(line, secret) {
					t.Errorf("shown: %q", line)
				}
			},
			Lost: func(err error) {
				if strings.Contains(errText(err), secret) {
					t.Errorf("shown: %v", err)
				}
			},
		})
		s.Open(ctx)
		for _, line := range []string{"USER me", "PASS " + secret, "TYPE I", "CWD /a", "FEAT", "RNFR x", "RNTO y"} {
			r, err := s.Do(ctx, line)
			if err == nil && r.Code == 0 {
				t.Errorf("%q: neither a reply nor an error", line)
			}
			if errors.Is(err, proto.ErrSilent) {
				t.Errorf("%q: the connection had ended: %v", line, err)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("shown: %v", err)
			}
		}
		if s.Lives() > 2 {
			t.Errorf("%d connections", s.Lives())
		}
		if err := s.Close(context.Background()); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			t.Errorf("Close = %v", err)
		}
	})
}

package ftpnat

import (
	"context"
	"fmt"

	"github.com/ftpnat/ftpnat/internal/plan"
)

// Open connects to the server that rawURL names, logs in, and returns the
// directory of the URL's path as a file system. It is [Dialer.Open] of a zero
// [Dialer].
func Open(ctx context.Context, rawURL string) (*FS, error) {
	return new(Dialer).Open(ctx, rawURL)
}

// Mode is a command that opens a data connection.
type Mode uint8

const (
	// EPSV is extended passive mode: RFC 2428, 3. The client dials a port of
	// the server.
	EPSV = Mode(plan.EPSV)
	// PASV is passive mode: RFC 959, 4.1.2. The client dials a port and, by
	// the letter, an address that the server names.
	PASV = Mode(plan.PASV)
	// PORT is active mode: RFC 959, 4.1.2. The server dials an IPv4 address
	// and port of the client.
	PORT = Mode(plan.PORT)
	// EPRT is extended active mode: RFC 2428, 2. As PORT, for IPv6 too.
	EPRT = Mode(plan.EPRT)
)

// String returns the command's name.
func (m Mode) String() string {
	switch m {
	case EPSV:
		return "EPSV"
	case PASV:
		return "PASV"
	case PORT:
		return "PORT"
	case EPRT:
		return "EPRT"
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// MarshalText returns the command's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a command's name.
func (m *Mode) UnmarshalText(text []byte) error {
	for _, k := range []Mode{EPSV, PASV, PORT, EPRT} {
		if string(text) == k.String() {
			*m = k
			return nil
		}
	}
	return fmt.Errorf("ftpnat: %q is not a mode: EPSV, PASV, PORT, EPRT are", text)
}

func (m Mode) passive() bool { return plan.Mode(m).Passive() }

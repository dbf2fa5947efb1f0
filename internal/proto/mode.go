package proto

import "fmt"

// Mode is a command that opens a data connection.
type Mode uint8

// The modes, in the order in which they are tried by default.
const (
	EPSV Mode = 1 + iota
	PASV
	PORT
	EPRT
)

// Passive reports whether the client dials in this mode.
func (m Mode) Passive() bool { return m == EPSV || m == PASV }

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

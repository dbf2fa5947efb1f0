package ftpworld

import (
	"errors"
	"strings"
)

// Latin1 is the charset ISO 8859-1, in the form in which a client is given one.
type Latin1 struct{}

// Encode translates a name to the wire.
func (Latin1) Encode(name string) (string, error) {
	var b strings.Builder
	for _, r := range name {
		if r > 0xff {
			return "", errors.New("not in ISO 8859-1")
		}
		b.WriteByte(byte(r))
	}
	return b.String(), nil
}

// Decode translates a name from the wire.
func (Latin1) Decode(wire string) (string, error) {
	var b strings.Builder
	for i := range len(wire) {
		b.WriteRune(rune(wire[i]))
	}
	return b.String(), nil
}

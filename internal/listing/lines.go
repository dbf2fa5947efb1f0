package listing

import (
	"bufio"
	"errors"
	"io"
)

// MaxLine is the length beyond which a LineReader gives up on a line. Names end
// at 255 bytes almost everywhere and paths at 4096; what is longer is no listing.
const MaxLine = 64 << 10

// A LineReader splits a listing into lines without changing a byte of them.
//
// A line ends in LF or CRLF. A CR anywhere else belongs to the line, so that a
// name that holds one is seen and refused instead of being cut in two.
type LineReader struct {
	br  *bufio.Reader
	err error
}

// NewLineReader returns a LineReader that reads from r.
func NewLineReader(r io.Reader) *LineReader {
	return &LineReader{br: bufio.NewReader(r)}
}

// Next returns the next line without its end. It returns io.EOF after the last
// line, which need not be terminated; a part of a line that precedes another
// error is not returned. A line longer than MaxLine is a *LineError. Errors are
// final.
func (r *LineReader) Next() (string, error) {
	if r.err != nil {
		return "", r.err
	}
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.long(line)
	}
	if len(line) > MaxLine {
		r.err = &LineError{Line: string(line[:MaxLine]), Reason: "line too long"}
		return "", r.err
	}
	if r.err = err; err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return "", err
	}
	return trimEnd(line), nil
}

// long reads the rest of a line that begins with start and exceeds the buffer,
// but not much more than MaxLine.
func (r *LineReader) long(start []byte) ([]byte, error) {
	line := append([]byte(nil), start...)
	for {
		more, err := r.br.ReadSlice('\n')
		line = append(line, more...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > MaxLine {
			return line, err
		}
	}
}

func trimEnd(line []byte) string {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		n--
		if n > 0 && line[n-1] == '\r' {
			n--
		}
	}
	return string(line[:n])
}

package listing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// MaxLine is the length beyond which a LineReader gives up on a line. Names end
// at 255 bytes almost everywhere and paths at 4096; what is longer is no entry.
const MaxLine = 64 << 10

// bufferSize is the memory that lines share: large enough to make allocations
// rare, small enough not to matter where one line is kept.
const bufferSize = 8 << 10

// A LineReader splits a listing into lines without changing a byte of them.
//
// A line ends in LF or CRLF. A CR anywhere else belongs to the line, so that a
// name that holds one is seen and refused instead of being cut in two.
type LineReader struct {
	br   *bufio.Reader
	text string // whole lines that are read already
	err  error
}

// NewLineReader returns a LineReader that reads from r.
func NewLineReader(r io.Reader) *LineReader {
	return &LineReader{br: bufio.NewReaderSize(r, bufferSize)}
}

// Next returns the next line without its end. It returns io.EOF after the last
// line, which need not be terminated; a part of a line that precedes another
// error is not returned. A line longer than MaxLine is a *LineError, and the
// next call goes on with the line behind it. Other errors are final.
//
// Lines share memory with their neighbours: who keeps a few of many lines
// clones them.
func (r *LineReader) Next() (string, error) {
	if r.text == "" && r.err == nil {
		r.fill()
	}
	if r.text != "" {
		end := strings.IndexByte(r.text, '\n')
		line := r.text[:end]
		r.text = r.text[end+1:]
		return strings.TrimSuffix(line, "\r"), nil
	}
	if r.err != nil {
		return "", r.err
	}
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.long(line)
	}
	r.err = err
	switch {
	case len(line) > MaxLine:
		return "", newLineError(string(line[:maxKept]), 0, "line too long")
	case err == nil:
		line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	case !errors.Is(err, io.EOF) || len(line) == 0:
		return "", err
	}
	return string(line), nil
}

// open reports whether the line returned last has no end.
func (r *LineReader) open() bool { return r.err != nil }

// fill takes the whole lines that have come, at least one byte.
func (r *LineReader) fill() {
	if _, err := r.br.Peek(1); err != nil {
		return // ReadSlice will say so
	}
	come, _ := r.br.Peek(r.br.Buffered())
	if n := bytes.LastIndexByte(come, '\n') + 1; n > 0 {
		r.text = string(come[:n])
		r.br.Discard(n)
	}
}

// long reads the rest of a line that begins with start and exceeds the buffer,
// and keeps not much more than MaxLine of it.
func (r *LineReader) long(start []byte) ([]byte, error) {
	line := append([]byte(nil), start...)
	for {
		more, err := r.br.ReadSlice('\n')
		if len(line) <= MaxLine {
			line = append(line, more...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

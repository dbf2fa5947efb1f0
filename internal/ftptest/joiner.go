package ftptest

import (
	"bufio"
	"io"
)

// joiner reads in pieces, as ProFTPD does, and loses CR and LF where a full piece
// ends between them.
type joiner struct {
	conn io.Reader
	size int
	cut  bool // the last piece ended with CR
}

// Read reads a piece.
func (j *joiner) Read(p []byte) (int, error) {
	n, err := j.conn.Read(p[:min(len(p), j.size)])
	full := n == j.size
	if j.cut && n > 0 && p[0] == '\n' {
		n = copy(p, p[1:n])
	}
	j.cut = full && p[n-1] == '\r'
	if j.cut {
		n--
	}
	return n, err
}

// lineReader reads a line at a time.
type lineReader struct{ br *bufio.Reader }

// Read reads a line, which p has room for.
func (l lineReader) Read(p []byte) (int, error) {
	line, err := l.br.ReadSlice('\n')
	return copy(p, line), err
}

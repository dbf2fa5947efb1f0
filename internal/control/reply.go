package control

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// The limits on what one reply may hold. They are far above what any server
// needs (the longest replies are FEAT and STAT) and keep the memory that a
// hostile one can take small.
const (
	maxLine   = 16 << 10 // bytes in one line
	readSize  = 4 << 10  // bytes in the buffer of a connection, which may be idle for long
	maxReply  = 4 << 20  // bytes in one reply
	maxLines  = 50_000   // lines in one reply
	maxBlanks = 16       // empty lines before a reply
)

// head returns the code and the first line.
func head(r proto.Reply) string { return fmt.Sprintf("%03d %s", r.Code, r.Lines[0]) }

// ProtocolError says that the bytes on the control connection are not FTP
// replies. Nothing after it can be trusted.
type ProtocolError struct {
	Reason string
	Line   string // the offending line
}

func (e *ProtocolError) Error() string {
	if e.Line == "" {
		return "not an FTP reply: " + e.Reason
	}
	return fmt.Sprintf("not an FTP reply: %s: %q", e.Reason, clip(e.Line))
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// readLine returns the next line without its end, LF or CRLF. The slice is
// valid until the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = longLine(br, line)
	}
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &ProtocolError{fmt.Sprintf("a line of more than %d bytes", maxLine), string(line)}
	case errors.Is(err, io.EOF) && len(line) > 0:
		// The connection ended in the middle of a line: what stands there
		// may be cut short, so it is no reply.
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

// longLine returns a line that is longer than the buffer, and begins with what is in
// that; of one beyond maxLine only as much.
func longLine(br *bufio.Reader, begun []byte) (line []byte, err error) {
	line, err = bytes.Clone(begun), bufio.ErrBufferFull
	for len(line) < maxLine {
		var more []byte
		more, err = br.ReadSlice('\n')
		line = append(line, more...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	if len(line) > maxLine {
		return line[:maxLine], bufio.ErrBufferFull
	}
	return line, err
}

// code returns the reply code that a line begins with and the byte after it
// (a space when the line ends there).
func code(line []byte) (n int, sep byte, ok bool) {
	if len(line) < 3 {
		return 0, 0, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		n = n*10 + int(c-'0')
	}
	if n < 100 || n > 699 {
		return 0, 0, false
	}
	sep = ' '
	if len(line) > 3 && line[3] != '\r' {
		sep = line[3]
	}
	return n, sep, true
}

func text(line []byte) string {
	if len(line) <= 4 {
		return ""
	}
	return string(bytes.TrimRight(line[4:], "\r"))
}

// shelf has room for the lines of replies of one line, which are most: many
// replies share the memory of one.
type shelf struct {
	room   []string
	recent [11]string // texts that came last, by code: servers say the same of each file
}

// text is text of the line of a code, which has most likely come before.
func (s *shelf) text(code int, line []byte) string {
	if len(line) <= 4 {
		return ""
	}
	line = bytes.TrimRight(line[4:], "\r")
	last := &s.recent[code%len(s.recent)]
	if *last != string(line) {
		*last = string(line)
	}
	return *last
}

// put returns a line as the lines of a reply.
func (s *shelf) put(line string) []string {
	if len(s.room) == 0 {
		s.room = make([]string, 16)
	}
	lines := s.room[:1:1]
	s.room = s.room[1:]
	lines[0] = line
	return lines
}

// readReply reads one reply, of one line or of many.
func readReply(br *bufio.Reader, s *shelf) (proto.Reply, error) {
	first, err := firstLine(br)
	if err != nil {
		return proto.Reply{}, err
	}
	n, sep, ok := code(first)
	if !ok {
		return proto.Reply{}, &ProtocolError{"a line without a reply code", string(first)}
	}
	r := proto.Reply{Code: n, Lines: s.put(s.text(n, first))}
	if sep != '-' {
		return r, nil
	}
	size := len(first)
	for {
		line, err := readLine(br)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return proto.Reply{}, err
		}
		if size += len(line); size > maxReply || len(r.Lines) >= maxLines {
			return proto.Reply{}, &ProtocolError{fmt.Sprintf("a %d reply without an end, given up after %d lines", r.Code, len(r.Lines)), ""}
		}
		m, sep, ok := code(line)
		switch {
		case ok && m == n && sep == ' ':
			r.Lines = append(r.Lines, text(line))
			return r, nil
		case ok && m == n && sep == '-':
			// Many servers put the code before each line.
			r.Lines = append(r.Lines, text(line))
		default:
			// Whole: it may be of a listing, where a CR belongs to a name.
			r.Lines = append(r.Lines, string(line))
		}
	}
}

// firstLine skips the empty lines that some servers send between replies, and
// Telnet negotiation (RFC 854) ahead of the greeting.
func firstLine(br *bufio.Reader) ([]byte, error) {
	for range maxBlanks {
		line, err := readLine(br)
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r")
		for len(line) >= 3 && line[0] == 0xff && line[1] >= 0xfb && line[1] != 0xff {
			line = line[3:]
		}
		if len(line) > 0 {
			return line, nil
		}
	}
	return nil, &ProtocolError{"nothing but empty lines", ""}
}

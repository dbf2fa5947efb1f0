package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
)

// longest is how many bytes a record may have. A quote that is never closed
// would otherwise take the rest of the file with it.
const longest = 64 << 10

// splitter splits a file into records. A record has more than one line where
// quotes hold line ends. Its memory is bounded whatever the file has.
type splitter struct {
	r     *bufio.Reader
	comma rune
	ahead []line // read, and from head on not part of a record yet
	head  int
	line  int    // the number of the line at head, from 1
	joint []byte // the lines of the record before, where it had several

	feed bytes.Reader
	csv  *csv.Reader // over feed; nil after an error
}

// line is one line of a file, with its end.
type line struct {
	text []byte
	cut  bool // there was more of it
}

func newSplitter(r io.Reader, comma rune) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, longest), comma: comma, line: 1}
}

// reject is a record that cannot be loaded.
type reject struct {
	raw    []byte
	reason error
}

// Error returns the reason.
func (r *reject) Error() string { return r.reason.Error() }

// next returns the fields of the next record, which are valid until the next
// call, the record itself, and the number of its first line. The error is
// io.EOF, a *reject, or that of the file.
func (s *splitter) next() (fields []string, raw []byte, number int, err error) {
	for {
		number = s.line
		raw, n, err := s.record()
		if rej, ok := errors.AsType[*reject](err); ok {
			s.consume(1)
			return nil, rej.raw, number, rej
		}
		if err != nil {
			return nil, nil, number, err
		}
		if len(bytes.TrimRight(raw, "\r\n")) == 0 {
			s.consume(n)
			continue
		}
		fields, err := s.fields(raw)
		if err != nil {
			// Only its first line is to blame: the others may be records.
			first := s.ahead[s.head].text
			s.consume(1)
			return nil, first, number, &reject{first, err}
		}
		s.consume(n)
		return fields, raw, number, nil
	}
}

// record returns the next lines up to where all quotes are closed.
func (s *splitter) record() (raw []byte, lines int, err error) {
	for quotes := 0; ; {
		l, err := s.peek(lines)
		switch {
		case err == io.EOF && lines == 0:
			return nil, 0, io.EOF
		case err != nil && err != io.EOF:
			return nil, 0, err
		case err == io.EOF, lines > 0 && len(raw)+len(l.text) > longest:
			return nil, 0, &reject{s.ahead[s.head].text, errors.New("a quote is not closed")}
		case lines == 0 && l.cut:
			return nil, 0, &reject{l.text, errors.New("the line is too long, and cut here")}
		}
		quotes += bytes.Count(l.text, []byte{'"'})
		switch lines++; lines {
		case 1:
			raw = l.text
		case 2:
			s.joint = append(append(s.joint[:0], raw...), l.text...)
			raw = s.joint
		default:
			s.joint = append(s.joint, l.text...)
			raw = s.joint
		}
		if quotes%2 == 0 {
			return raw, lines, nil
		}
	}
}

// peek returns a line that is ahead.
func (s *splitter) peek(i int) (line, error) {
	for len(s.ahead)-s.head <= i {
		text, err := s.r.ReadSlice('\n')
		l := line{text: bytes.Clone(text)}
		for err == bufio.ErrBufferFull {
			l.cut = true
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil && (err != io.EOF || len(l.text) == 0) {
			return line{}, err
		}
		s.ahead = append(s.ahead, l)
	}
	return s.ahead[s.head+i], nil
}

func (s *splitter) consume(n int) {
	s.head += n
	s.line += n
	if s.head > len(s.ahead)/2 { // so that each line is moved once at most
		s.ahead = append(s.ahead[:0], s.ahead[s.head:]...)
		s.head = 0
	}
}

// fields parses a record.
func (s *splitter) fields(raw []byte) ([]string, error) {
	if s.csv == nil {
		s.csv = csv.NewReader(&s.feed)
		s.csv.Comma, s.csv.FieldsPerRecord, s.csv.ReuseRecord = s.comma, -1, true
	}
	s.feed.Reset(raw)
	fields, err := s.csv.Read()
	if err != nil {
		s.csv = nil // it may hold some of the record
		if detail, ok := errors.AsType[*csv.ParseError](err); ok {
			err = detail.Err
		}
	}
	return fields, err
}

package rclone

import (
	"bytes"
	"context"
	"errors"
	"io"
	iofs "io/fs"

	"github.com/rclone/rclone/fs"
)

// source is what is uploaded, so that it can be read again if a connection breaks:
// from memory, or from the object that it comes from.
type source struct {
	ctx  context.Context
	in   io.Reader
	at   int64 // position in in
	size int64
	from fs.Object // nil if there is none
	pos  int64     // of Read

	keep  bool
	kept  bytes.Buffer  // what came from in
	again io.ReadCloser // from, opened at pos
}

// newSource returns a source of known size. in is what src has, from the start.
func newSource(ctx context.Context, in io.Reader, src fs.ObjectInfo, most int64) *source {
	s := &source{ctx: ctx, in: in, size: src.Size()}
	// Only an Object has what in has: crypt and others send something else than
	// the object that their ObjectInfo stands for.
	if from, ok := src.(fs.Object); ok {
		s.from = from
	}
	s.keep = s.from == nil && s.size <= most || s.size <= smallFile
	return s
}

// smallFile is the size of a file up to which it is held in memory in any case.
const smallFile = 1 << 20

// Read reads on from where the source stands.
func (s *source) Read(p []byte) (n int, err error) {
	switch {
	case s.keep && s.pos < int64(s.kept.Len()):
		n = copy(p, s.kept.Bytes()[s.pos:])
	case s.again != nil:
		n, err = s.again.Read(p)
	case s.pos == s.at:
		n, err = s.in.Read(p)
		s.at += int64(n)
		if s.keep {
			s.kept.Write(p[:n])
		}
	case s.from == nil:
		return 0, errors.New("the stream cannot be read again: it is larger than upload_buffer")
	default:
		if s.again, err = s.from.Open(s.ctx, &fs.SeekOption{Offset: s.pos}); err != nil {
			return 0, err
		}
		n, err = s.again.Read(p)
	}
	s.pos += int64(n)
	return n, err
}

// Seek sets where Read goes on.
func (s *source) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, iofs.ErrInvalid
	}
	if offset != s.pos {
		s.pos = offset
		s.Close()
	}
	return offset, nil
}

// Close ends the second reading.
func (s *source) Close() error {
	again := s.again
	if s.again = nil; again == nil {
		return nil
	}
	return again.Close()
}

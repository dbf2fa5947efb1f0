package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Read opens a file for reading from an offset on, in bytes. The size is that which
// is believed to be known, in bytes, or negative: the end of the transfer costs no
// question if that many come. If the server cannot start there the error is
// errors.ErrUnsupported and proto.ErrNoRestart.
func Read(ctx context.Context, s *Session, name string, off, size int64) (*transfer.Transfer, error) {
	line, err := s.Line("RETR", name)
	if err != nil {
		return nil, err
	}
	req := transfer.Request{Line: line, Offset: off, Resumes: true, Known: size}
	if s.HasSIZE() {
		req.Check = transfer.SIZE
	}
	t, err := s.Transfer().Open(ctx, req)
	if off > 0 && proto.ReplyOf(err).NoRestart() && !errors.Is(err, proto.ErrNoRestart) {
		err = fmt.Errorf("%w: %w", proto.ErrNoRestart, err) // it has accepted REST
	}
	switch {
	case err == nil:
		s.Server.read(name)
		return t, nil
	case errors.Is(err, proto.ErrNoRestart) && !proto.IsNegotiate(err):
		return nil, &proto.FSError{Kind: errors.ErrUnsupported, Err: fmt.Errorf("the server cannot start at byte %d of a file: %w", off, err)}
	}
	return nil, Explain(ctx, s, OpRead, name, err)
}

// Put says how a file is written.
type Put struct {
	Append bool   // behind what is there: APPE
	Offset int64  // where to begin in what is there, in bytes
	Whole  bool   // Body is all there is to be written
	Body   []byte // beginning of what is written
	// Afresh is called when the file is to be begun again while a session that was
	// given up may yet read the command. It returns the command for that, with another
	// name, under which that does no harm, or the same. It may be nil.
	Afresh func() (line string, err error)
	// Before is set to what the server tells of the name before it is written, if a
	// whole file is sent and the question costs no round trip. It may be nil.
	Before *Mark
}

// Write opens a file for writing. A refusal is not explained, because that may
// take another connection: see [Explainable]. [SizeBehind] has the
// size when the transfer has ended.
func Write(ctx context.Context, s *Session, name string, put Put) (*transfer.Transfer, error) {
	verb := "STOR"
	if put.Append {
		verb = "APPE"
	}
	line, err := s.Line(verb, name)
	if err != nil {
		return nil, err
	}
	req := transfer.Request{Line: line, Offset: put.Offset, Whole: put.Whole, Body: put.Body, Afresh: put.Afresh, Resumes: put.Whole}
	if s.HasSIZE() {
		req.Check = transfer.SIZE
	}
	if _, listed := s.Feature("SIZE"); listed && put.Before != nil {
		req.First, req.Told = req.Question(), new(proto.Reply)
	}
	t, err := s.Transfer().Open(ctx, req)
	if req.Told != nil && req.Told.Code != 0 {
		*put.Before = sizeMark(*req.Told)
	}
	return t, err
}

// SizeBehind returns the size of a file that was just written by t, which has
// ended; -1 if the server does not tell. The question has travelled with a whole
// upload if the server takes that. If t is nil it is asked now.
func SizeBehind(ctx context.Context, s *Session, name string, t *transfer.Transfer) (int64, error) {
	if t == nil {
		return Size(ctx, s.ForTransfer(), name)
	}
	n, err := t.Size(ctx)
	if n >= 0 {
		s.Server.Learn(SIZE, true)
	}
	if _, listed := s.Feature("SIZE"); err == nil && n < 0 && !listed {
		return Size(ctx, s, name) // learns whether there is a SIZE at all
	}
	return n, err
}

package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// Upload writes what src holds, from its start to its end, to a temporary name
// in the directory of to, and renames it when the server has confirmed it: its
// size, and its hash if the server tells one. It returns the size. src may be a
// file of the same Files.
//
// A connection that breaks is replaced, and the file begun again under another
// temporary name: a session that was given up may yet read the STOR that was sent
// to it, and empty the first one. It goes on where it broke only if the whole can
// be proven afterwards, by the server's hash; or, where it has broken twice, by
// reading back what the server has.
func (f Files) Upload(ctx context.Context, to Target, src io.ReadSeeker) (int64, error) {
	size, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	to.Total, to.Ours = size, true
	u := &upload{files: f, src: src, to: to, size: size, place: placing{files: f, to: to.Path, size: size}}
	err = u.send(ctx)
	if err == nil {
		err = u.place.put(ctx)
	}
	temps := u.temps
	if err == nil {
		temps = temps[:len(temps)-1] // the last one has its name
	}
	if len(temps) > 0 {
		u.place.clean(ctx, temps, u.broke)
	}
	if err != nil {
		var source *SourceError
		if errors.As(err, &source) {
			err = source.Err
		}
		return 0, err
	}
	return size, nil
}

// upload is one Upload.
type upload struct {
	files Files
	src   io.ReadSeeker
	to    Target
	size  int64
	place placing

	temps  []string // that may be there; the last one is in use
	from   int64    // where the last one goes on; zero for another one
	best   int64    // bytes that the best try has brought
	breaks int      // tries that broke
	broke  bool     // one of them in a session that was given up
	whole  bool     // it is not to go on where it broke any more
	again  bool     // what was found wrong at the end was sent again
	barred bool     // the server has refused the last try before it began

	sum *digest // of the source, if all of it was read for that
}

// digest is a hash that is computed while the source is read.
type digest struct {
	remote.Algorithm
	hash.Hash
}

// send brings all bytes to a temporary file that is proven to have them.
func (u *upload) send(ctx context.Context) error {
	return retry.Do(ctx, u.files.RetryFor, func() error {
		from := u.from
		err := u.try(ctx, from)
		for err != nil && u.atOnce(from, err) {
			from, u.from = 0, 0
			err = u.try(ctx, 0)
		}
		if !retry.Worth(err) || ctx.Err() != nil {
			u.broke = u.broke || err != nil && !proto.RefusedAt(err)
			return err
		}
		return u.broken(ctx, err)
	})
}

// atOnce reports whether the file is to be sent from its start at once, because of
// how a try has ended that began at an offset, or that was wrong at its end.
func (u *upload) atOnce(from int64, err error) bool {
	switch {
	case from > 0 && u.barred:
		// The server does not go on in the middle.
		u.whole = true
		return true
	case errors.Is(err, proto.ErrMismatch) && (!u.again || from > 0):
		u.again, u.whole = true, true
		return true
	}
	return false
}

// broken decides where the next try begins, and returns err for retry.Do to count
// tries that get no further.
func (u *upload) broken(ctx context.Context, err error) error {
	u.breaks++
	u.broke = u.broke || !proto.RefusedAt(err)
	had := u.from
	u.from = 0
	if len(u.temps) == 0 {
		return err
	}
	var have int64
	var hashes bool
	aerr := u.files.With(ctx, func(s *remote.Session) (err error) {
		have, err = remote.Size(ctx, s, u.temps[len(u.temps)-1])
		_, hashes = remote.HashOffered(s)
		return err
	})
	switch {
	case aerr != nil && !retry.Worth(aerr):
		return retry.Permanent(errors.Join(err, aerr))
	case aerr != nil:
		return err
	case had > 0 && have <= had:
		u.whole = true // perhaps because it went on there
	case have > 0 && have < u.size && !u.whole && (hashes || u.breaks > 1):
		u.from = have
	}
	return further(&u.best, have, err)
}

// try sends the file, or what follows an offset, in one transfer, and proves that
// all of it is there. An error of the source is a *SourceError.
func (u *upload) try(ctx context.Context, from int64) error {
	if err := u.transfer(ctx, from); err != nil {
		return err
	}
	proven, err := u.verify(ctx)
	if err == nil && !proven && from > 0 {
		err = u.readBack(ctx)
	}
	return err
}

// transfer is the transfer of a try.
func (u *upload) transfer(ctx context.Context, from int64) error {
	if _, err := u.src.Seek(from, io.SeekStart); err != nil {
		return &SourceError{err}
	}
	if from == 0 {
		u.temps = append(u.temps, u.files.tempName(u.to.Path, "part"))
	}
	to := u.to
	to.Path, to.From, to.Final = u.temps[len(u.temps)-1], from, u.to.Path
	w := u.files.Writer(to)
	w.temps = u.temps
	defer func() { u.temps, u.broke = w.temps, u.broke || w.late }()
	src, err := u.source(ctx, from)
	if err != nil {
		return err
	}
	_, err = w.ReadFrom(ctx, src)
	if err != nil {
		w.stop(ctx)
	} else {
		err = w.Close(ctx)
	}
	u.barred = !w.begun && proto.RefusedAt(err)
	if err != nil {
		return err
	}
	u.place.temp = w.to.Path
	if w.Size() != u.size {
		return &SourceError{fmt.Errorf("the source had %d bytes, and then %d", u.size, w.Size())}
	}
	return nil
}

// source returns what the bytes from an offset on are read from. If that costs
// something, and the server can hash, the hash is computed on the way: to read the
// source once more may be to fetch it once more.
func (u *upload) source(ctx context.Context, from int64) (io.Reader, error) {
	u.sum = nil
	if _, local := data.Regular(u.src); local || from > 0 {
		return u.src, nil
	}
	err := u.files.With(ctx, func(s *remote.Session) error {
		if a, ok := remote.HashOffered(s); ok {
			u.sum = &digest{a, a.New()}
		}
		return nil
	})
	if err != nil || u.sum == nil {
		return u.src, err
	}
	return io.TeeReader(u.src, u.sum), nil
}

// verify compares the hash, and reports whether the server has told one. The size
// was compared when the file was closed. No connection is in use while the source
// is read.
func (u *upload) verify(ctx context.Context) (proven bool, err error) {
	var theirs remote.Digest
	err = retry.Do(ctx, u.files.RetryFor, func() error {
		return u.files.With(ctx, func(s *remote.Session) (err error) {
			theirs, proven, err = remote.Hash(ctx, s, u.place.temp)
			return err
		})
	})
	if !proven {
		return false, err
	}
	ours := u.sum
	if ours == nil || ours.Name != theirs.Name {
		if ours, err = u.digest(theirs.Algorithm); err != nil {
			return false, err
		}
	}
	if sum := hex.EncodeToString(ours.Sum(nil)); !strings.EqualFold(sum, theirs.Sum) {
		return false, fmt.Errorf("%w: its %s is %s, and that of the source %s", proto.ErrMismatch, theirs.Name, theirs.Sum, sum)
	}
	return true, nil
}

// digest hashes the source.
func (u *upload) digest(a remote.Algorithm) (*digest, error) {
	if _, err := u.src.Seek(0, io.SeekStart); err != nil {
		return nil, &SourceError{err}
	}
	sum := &digest{a, a.New()}
	buf := data.Buffer()
	defer data.Recycle(buf)
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{u.src}, *buf); err != nil {
		return nil, &SourceError{err}
	}
	return sum, nil
}

// readBack compares the file on the server with the source. Where it cannot be
// read, it is to be sent from its start.
func (u *upload) readBack(ctx context.Context) error {
	if _, err := u.src.Seek(0, io.SeekStart); err != nil {
		return &SourceError{err}
	}
	e := listing.Entry{Name: remote.BaseName(u.place.temp), Type: listing.TypeFile, Size: u.size}
	r := u.files.Reader(Source{Name: u.to.Name, Path: u.place.temp, Entry: e, Quiet: true})
	defer r.Stop(ctx)
	buf := data.Buffer()
	defer data.Recycle(buf)
	half := len(*buf) / 2
	ours, theirs := (*buf)[:half], (*buf)[half:2*half]
	for off := int64(0); off < u.size; {
		n, err := io.ReadFull(u.src, ours)
		if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
			return &SourceError{err}
		}
		if n == 0 {
			return &SourceError{io.ErrUnexpectedEOF}
		}
		if err := readAllAt(ctx, r, theirs[:n], off); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w, as far as is known: it cannot be read back: %v", proto.ErrMismatch, err)
		}
		if string(ours[:n]) != string(theirs[:n]) {
			return fmt.Errorf("%w: it differs after %d bytes", proto.ErrMismatch, off)
		}
		off += int64(n)
	}
	return nil
}

// readAllAt reads len(p) bytes.
func readAllAt(ctx context.Context, r *Reader, p []byte, off int64) error {
	for n := 0; n < len(p); {
		m, err := r.Read(ctx, p[n:], off+int64(n))
		n += m
		if err != nil && n < len(p) {
			return err
		}
	}
	return nil
}

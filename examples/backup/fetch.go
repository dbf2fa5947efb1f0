package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

const (
	// stride is how much of a file is read between two lines in the journal.
	stride = 32 << 20
	// tries is how often a file is begun anew that changes while it is read.
	tries = 3
)

// fetchAll reads files, several at the same time. A file that cannot be read is
// a problem; the error is for when there is no use in going on.
func (b *job) fetchAll(ctx context.Context, files []record) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.fsys = b.fsys.WithContext(ctx)
	var wg sync.WaitGroup
	todo := make(chan record)
	for range min(b.opts.jobs, len(files)) {
		wg.Go(func() {
			for r := range todo {
				err := b.fetchOne(r)
				if ctx.Err() != nil {
					continue
				}
				if err != nil {
					b.fail(r.Name, err)
				}
				if err := b.hopeless(err); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, r := range files {
		select {
		case todo <- r:
		case <-ctx.Done():
		}
	}
	close(todo)
	wg.Wait()
	return context.Cause(ctx)
}

// fetchOne reads one file and puts it into the store.
func (b *job) fetchOne(r record) error {
	for i := 1; ; i++ {
		got, err := b.read(r)
		if errors.Is(err, ftpnat.ErrChanged) && i < tries {
			continue
		}
		if err != nil {
			return err
		}
		b.mu.Lock()
		b.fetched = append(b.fetched, got)
		b.mu.Unlock()
		b.out.fetched(got)
		return nil
	}
}

// read reads one file into a part, and goes on where an earlier run stopped.
func (b *job) read(r record) (record, error) {
	file, err := b.fsys.Open(string(r.Name))
	if err != nil {
		return r, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return r, err
	}
	if !info.Mode().IsRegular() {
		return r, errors.New("no file any more")
	}
	now := recordOf(string(r.Name), info)
	if now.Size != r.Size {
		now.Local, r = r.Local, now // it has changed since the listing
	}
	opened := time.Now()
	id := identity(now)
	p, err := b.v.openPart(id, now.Time.IsZero() || now.fresh(opened))
	if err != nil {
		return r, err
	}
	n, err := b.complete(p, file.(*ftpnat.File))
	b.mu.Lock()
	b.bytes += n
	b.mu.Unlock()
	if err := errors.Join(err, p.close(err != nil)); err != nil {
		return r, err
	}
	r.Size, r.SHA256, r.Fresh = p.at, p.sum(), r.fresh(opened)
	return r, b.v.store.put(r, id)
}

// complete reads what is missing in a part.
func (b *job) complete(p *part, file *ftpnat.File) (int64, error) {
	if p.done {
		return 0, nil
	}
	if _, err := file.Seek(p.at, io.SeekStart); err != nil {
		return 0, err
	}
	if p.at > 0 {
		b.out.resumed(file.Name(), p.at)
	}
	buf := make([]byte, 256<<10)
	var total int64
	for {
		n, err := io.CopyBuffer(p, io.LimitReader(file, stride), buf)
		total += n
		if err != nil || n < stride {
			return total, err
		}
		if err := p.note(); err != nil {
			return total, err
		}
	}
}

// part is a file that is being read, under a temporary name.
type part struct {
	v    *vault
	id   string
	f    *os.File
	hash hash.Hash
	at   int64
	done bool // it was complete before
	once bool // it is not to be gone on with by another run
}

// openPart opens a part. It has what an earlier run has read, if that is still
// what the journal says; anew means that it is not to be trusted.
func (v *vault) openPart(id string, anew bool) (*part, error) {
	f, err := v.base.OpenFile(v.part(id), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	p := &part{v: v, id: id, f: f, hash: sha256.New(), once: anew}
	if e, ok := v.reached(id); ok && !anew {
		n, err := io.Copy(p.hash, io.NewSectionReader(f, 0, e.Offset))
		if err == nil && n == e.Offset && p.sum() == e.SHA256 {
			p.at, p.done = n, e.Done != nil
		} else {
			p.hash.Reset()
		}
	}
	err = f.Truncate(p.at)
	if err == nil {
		_, err = f.Seek(p.at, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// Write adds to the part.
func (p *part) Write(data []byte) (int, error) {
	n, err := p.f.Write(data)
	p.hash.Write(data[:n])
	p.at += int64(n)
	return n, err
}

func (p *part) sum() string { return hex.EncodeToString(p.hash.Sum(nil)) }

// note makes sure that the part can be gone on with from here.
func (p *part) note() error {
	if p.once || p.at == 0 {
		return nil
	}
	if err := p.f.Sync(); err != nil {
		return err
	}
	return p.v.note(entry{ID: p.id, Offset: p.at, SHA256: p.sum()})
}

// close closes the part, which may have to be gone on with later.
func (p *part) close(broken bool) error {
	err := error(nil)
	if broken {
		err = p.note()
	} else {
		err = p.f.Sync()
	}
	return errors.Join(err, p.f.Close())
}

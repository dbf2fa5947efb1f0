package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// verify compares what is in a target with its manifest.
func verify(ctx context.Context, v *vault, out *printer) error {
	m, err := v.load()
	if err != nil {
		return err
	}
	if len(m.Records) == 0 {
		return errors.New("there is no backup here: no manifest is found")
	}
	bad, err := check(ctx, v, m, out)
	if err != nil {
		return err
	}
	out.verified(m, bad)
	if len(bad) > 0 {
		return errIncomplete
	}
	return nil
}

// recheck is verify for a run that is going to mend what it finds.
func (b *job) recheck(ctx context.Context, m *manifest) (map[name]bool, error) {
	bad, err := check(ctx, b.v, m, b.out)
	if err != nil {
		return nil, err
	}
	damaged := map[name]bool{}
	for _, p := range bad {
		damaged[p.Name] = true
	}
	if len(m.Records) > 0 {
		b.out.verified(m, bad)
	}
	return damaged, nil
}

// check hashes every file of the manifest.
func check(ctx context.Context, v *vault, m *manifest, out *printer) ([]problem, error) {
	var files []record
	for _, r := range m.Records {
		if r.Kind == kindFile {
			files = append(files, r)
		}
	}
	var bad []problem
	n := 0
	err := v.store.each(files, func(r record, content io.Reader, err error) error {
		n++
		out.status("verifying: %d of %d", n, len(files))
		if err == nil {
			err = compare(ctx, r, content)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			bad = append(bad, problem{r.Name, because(err)})
		}
		return nil
	})
	out.statusEnd()
	slices.SortFunc(bad, problem.compare)
	return bad, err
}

// compare compares a content with the hash of a record.
func compare(ctx context.Context, r record, content io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, endable{ctx, content})
	switch {
	case err != nil:
		return err
	case n != r.Size:
		return fmt.Errorf("damaged: %d bytes, want %d", n, r.Size)
	case hex.EncodeToString(h.Sum(nil)) != r.SHA256:
		return errors.New("damaged: the hash is not that of the manifest")
	}
	return nil
}

// endable is a reader that ends with a context.
type endable struct {
	ctx context.Context //nolint:containedctx // lives for one call of io.Copy
	r   io.Reader
}

// Read reads unless the context has ended.
func (e endable) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, e.ctx.Err()
	}
	return e.r.Read(p)
}

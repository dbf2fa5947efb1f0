package main

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
)

// tries is how often a file is begun anew that changes while it is read.
const tries = 3

// job is one run.
type job struct {
	db    *database
	fsys  *ftpnat.FS
	opts  *options
	out   *printer
	bad   []problem
	rows  int64
	files int64
}

// problem is a file or a directory that could not be loaded, and why.
type problem struct {
	name string
	err  error
}

// source is a file on the server.
type source struct {
	name string
	version
}

// load loads what is new or changed.
func load(ctx context.Context, opts *options, d *ftpnat.Dialer, out *printer) error {
	db, err := openDatabase(ctx, opts.database, sourceOf(opts.url), opts.table)
	if err != nil {
		return err
	}
	defer db.db.Close()
	known, err := db.loaded(ctx)
	if err != nil {
		return err
	}
	ctx = ftpnat.WithTrace(ctx, out.trace())
	fsys, err := d.Open(ctx, opts.url)
	if err != nil {
		return err
	}
	defer fsys.Close()
	j := &job{db: db, fsys: fsys.WithContext(ctx), opts: opts, out: out}
	all, err := j.find(ctx)
	if err != nil {
		return err
	}
	var todo []source
	for _, s := range all {
		if before, ok := known[s.name]; !ok || !before.same(s.version) {
			todo = append(todo, s)
		}
	}
	out.begin(len(all), todo)
	for _, s := range todo {
		if err := j.insist(ctx, s); err != nil {
			out.end()
			return err
		}
	}
	return j.finish(ctx)
}

// find finds the files that match.
func (j *job) find(ctx context.Context) ([]source, error) {
	var all []source
	err := fs.WalkDir(j.fsys, ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && at == ".":
			return err
		case err != nil:
			return j.fail(at, err)
		case !d.Type().IsRegular() || !matches(j.opts.match, at):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return j.fail(at, err)
		}
		all = append(all, source{at, versionOf(info)})
		return nil
	})
	return all, err
}

func patterns(match string) []string { return strings.Fields(match) }

func matches(match, at string) bool {
	for _, p := range patterns(match) {
		if ok, err := path.Match(p, path.Base(at)); ok && err == nil {
			return true
		}
	}
	return false
}

func versionOf(info fs.FileInfo) version {
	v := version{size: info.Size(), time: info.ModTime()}
	if facts, ok := info.Sys().(*ftpnat.Facts); ok {
		v.precision = facts.Precision
	}
	return v
}

// fail takes down what is wrong with a file, and returns an error where it is
// not about the file: then there is no use in going on with the next one. The
// FS has tried for as long as -retry says.
func (j *job) fail(at string, err error) error {
	_, ours := errors.AsType[*dbError](err)
	_, blocked := errors.AsType[*ftpnat.NegotiateError](err)
	_, refused := errors.AsType[*ftpnat.ReplyError](err)
	_, ftp := errors.AsType[*fs.PathError](err)
	if ours || blocked || ftp && !refused && !errors.Is(err, ftpnat.ErrChanged) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("given up at %s: %w", printable(at), err)
	}
	j.bad = append(j.bad, problem{at, err})
	return nil
}

// insist loads a file, again where it changes meanwhile.
func (j *job) insist(ctx context.Context, s source) error {
	for i := 1; ; i++ {
		res, err := j.file(ctx, s)
		switch {
		case err == nil:
			j.files++
			j.rows += res.rows
			j.out.loaded(s, res)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ftpnat.ErrChanged) && i < tries:
			continue
		}
		return j.fail(s.name, err)
	}
}

// finish says what there is.
func (j *job) finish(ctx context.Context) error {
	files, rows, rejects, err := j.db.totals(ctx)
	if err != nil {
		return err
	}
	j.out.end()
	j.out.summary(j, files, rows, rejects)
	if len(j.bad) > 0 {
		return errIncomplete
	}
	return nil
}

// dbError is an error of the database.
type dbError struct{ error }

// Unwrap returns what the database said.
func (e *dbError) Unwrap() error { return e.error }

func sqlError(err error) error {
	if err == nil {
		return nil
	}
	return &dbError{err}
}

// result is what became of a file.
type result struct {
	rows, rejects int64
	again         bool // there was an earlier version of it
	sha256        string
}

// file loads one file in one transaction.
func (j *job) file(ctx context.Context, s source) (result, error) {
	tx, err := j.db.db.BeginTx(ctx, nil)
	if err != nil {
		return result{}, sqlError(err)
	}
	defer tx.Rollback() // which does nothing after Commit
	old, err := tx.ExecContext(ctx, "DELETE FROM loads WHERE source = ? AND name = ? AND target = ?", j.db.source, s.name, j.db.table.name)
	if err != nil {
		return result{}, sqlError(err)
	}
	s.fresh = time.Since(s.time).Abs() <= s.precision
	at := ""
	if !s.time.IsZero() {
		at = s.time.UTC().Format(time.RFC3339Nano)
	}
	row, err := tx.ExecContext(ctx, `INSERT INTO loads (source, name, target, size, time, precision, fresh, sha256, rows, rejects, loaded)
		VALUES (?, ?, ?, ?, ?, ?, ?, '', 0, 0, ?)`, j.db.source, s.name, j.db.table.name, s.size, at, int64(s.precision), s.fresh, time.Now().UTC().Format(time.RFC3339))
	if err != nil {
		return result{}, sqlError(err)
	}
	id, err := row.LastInsertId()
	if err != nil {
		return result{}, sqlError(err)
	}
	res, err := j.stream(ctx, tx, id, s.name)
	if err != nil {
		return res, err
	}
	if n, err := old.RowsAffected(); err != nil || n > 0 {
		res.again = true
	}
	_, err = tx.ExecContext(ctx, "UPDATE loads SET rows = ?, rejects = ?, sha256 = ? WHERE id = ?", res.rows, res.rejects, res.sha256, id)
	if err != nil {
		return res, sqlError(err)
	}
	return res, sqlError(tx.Commit())
}

// stream reads a file into a transaction.
func (j *job) stream(ctx context.Context, tx *sql.Tx, id int64, name string) (res result, err error) {
	file, err := j.fsys.Open(name)
	if err != nil {
		return res, err
	}
	defer file.Close()
	h := sha256.New()
	wire := io.TeeReader(file, h)
	plain := wire
	if strings.HasSuffix(name, ".gz") {
		unzip, err := gzip.NewReader(wire)
		if err != nil {
			return res, unpacked(err)
		}
		defer unzip.Close()
		plain = unzip
	}
	if res, err = j.records(ctx, tx, id, newSplitter(plain, j.opts.comma)); err != nil {
		return res, err
	}
	// What follows in the file counts for the hash, and only at its end does
	// the server say whether it was complete.
	if _, err := io.Copy(io.Discard, wire); err != nil {
		return res, err
	}
	res.sha256 = hex.EncodeToString(h.Sum(nil))
	return res, nil
}

// records loads the records of a file.
func (j *job) records(ctx context.Context, tx *sql.Tx, id int64, s *splitter) (res result, err error) {
	places, err := j.header(s)
	if err != nil {
		return res, err
	}
	insert, err := tx.PrepareContext(ctx, j.db.insert())
	if err != nil {
		return res, sqlError(err)
	}
	defer insert.Close()
	values := make([]any, 0, len(places)+2)
	for {
		fields, raw, number, err := s.next()
		if err == io.EOF {
			return res, nil
		}
		var row []any
		if err == nil {
			if row, err = j.opts.table.values(append(values[:0], id, number), fields, places); err != nil {
				err = &reject{raw, err}
			}
		}
		if rej, ok := errors.AsType[*reject](err); ok {
			res.rejects++
			err = keep(ctx, tx, id, number, rej)
		} else if err == nil {
			res.rows++
			_, err = insert.ExecContext(ctx, row...)
			err = sqlError(err)
		}
		if err != nil {
			return res, unpacked(err)
		}
	}
}

// header reads the first record.
func (j *job) header(s *splitter) ([]int, error) {
	if bom, err := s.r.Peek(3); err == nil && string(bom) == "\ufeff" {
		s.r.Discard(3)
	}
	fields, _, _, err := s.next()
	switch rej, rejected := errors.AsType[*reject](err); {
	case err == io.EOF:
		return nil, errors.New("the file is empty: it has no line that names its columns")
	case rejected:
		return nil, fmt.Errorf("the first line cannot be read: %w", rej.reason)
	case err != nil:
		return nil, unpacked(err)
	}
	return j.opts.table.places(fields)
}

// keep keeps a record that cannot be loaded.
func keep(ctx context.Context, tx *sql.Tx, id int64, number int, r *reject) error {
	var raw any = r.raw
	if utf8.Valid(r.raw) {
		raw = string(r.raw)
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO rejects (load, line, reason, raw) VALUES (?, ?, ?, ?)", id, number, r.reason.Error(), raw)
	return sqlError(err)
}

// unpacked says of an error of gzip what it is about.
func unpacked(err error) error {
	_, ours := errors.AsType[*dbError](err)
	_, ftp := errors.AsType[*fs.PathError](err)
	if ours || ftp {
		return err
	}
	return fmt.Errorf("the file cannot be unpacked: %w", err)
}

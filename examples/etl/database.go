package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// database is where everything goes.
type database struct {
	db     *sql.DB
	source string // the URL, without a password
	table  table
}

// bookkeeping is the tables that are there besides the one for the rows.
const bookkeeping = `
CREATE TABLE IF NOT EXISTS loads (
	id        INTEGER PRIMARY KEY,
	source    TEXT NOT NULL, -- the URL, without a password
	name      TEXT NOT NULL, -- of the file, from the directory of the URL
	target    TEXT NOT NULL, -- the table that has its rows
	size      INTEGER NOT NULL,
	time      TEXT NOT NULL, -- as the server tells it; empty where it does not
	precision INTEGER NOT NULL, -- of time, in nanoseconds
	fresh     INTEGER NOT NULL, -- read so soon after time that a later change may not show
	sha256    TEXT NOT NULL, -- of the file as it came
	rows      INTEGER NOT NULL,
	rejects   INTEGER NOT NULL,
	loaded    TEXT NOT NULL,
	UNIQUE (source, name, target)
);
CREATE TABLE IF NOT EXISTS rejects (
	load   INTEGER NOT NULL REFERENCES loads(id) ON DELETE CASCADE,
	line   INTEGER NOT NULL,
	reason TEXT NOT NULL,
	raw    NOT NULL, -- a BLOB where it is not UTF-8
	PRIMARY KEY (load, line)
);`

// openDatabase opens a database file, which is made where there is none.
func openDatabase(ctx context.Context, file, source string, t table) (*database, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/dir
	}
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: url.Values{
		"_pragma": {"foreign_keys(1)", "journal_mode(wal)", "busy_timeout(5000)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer at a time
	d := &database{db, source, t}
	if _, err := db.ExecContext(ctx, bookkeeping+d.schema()); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	return d, nil
}

// schema returns the statements that make the table for the rows.
func (d *database) schema() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nCREATE TABLE IF NOT EXISTS %q (\n\tload INTEGER NOT NULL REFERENCES loads(id) ON DELETE CASCADE,\n\tline INTEGER NOT NULL,\n", d.table.name)
	for _, c := range d.table.columns {
		fmt.Fprintf(&b, "\t%q %s", c.name, c.kind.sql)
		if !c.empty {
			b.WriteString(" NOT NULL")
		}
		b.WriteString(",\n")
	}
	fmt.Fprintf(&b, "\tPRIMARY KEY (load, line)\n) WITHOUT ROWID;\n")
	return b.String()
}

// insert returns the statement for one row.
func (d *database) insert() string {
	var names, marks strings.Builder
	for _, c := range d.table.columns {
		fmt.Fprintf(&names, ", %q", c.name)
		marks.WriteString(", ?")
	}
	return fmt.Sprintf("INSERT INTO %q (load, line%s) VALUES (?, ?%s)", d.table.name, &names, &marks)
}

// version tells one state of a file from another.
type version struct {
	size      int64
	time      time.Time
	precision time.Duration
	fresh     bool
}

// same reports whether a file is, by size and time, the one that was loaded.
// Times in listings lose their minutes when a file gets old: the coarser of
// two decides.
func (v version) same(now version) bool {
	if v.fresh || v.size != now.size || v.time.IsZero() || now.time.IsZero() {
		return false
	}
	p := max(v.precision, now.precision)
	return v.time.Truncate(p).Equal(now.time.Truncate(p))
}

// loaded returns the files that are in the database.
func (d *database) loaded(ctx context.Context) (map[string]version, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT name, size, time, precision, fresh FROM loads WHERE source = ? AND target = ?",
		d.source, d.table.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]version{}
	for rows.Next() {
		var name, at string
		var v version
		if err := rows.Scan(&name, &v.size, &at, &v.precision, &v.fresh); err != nil {
			return nil, err
		}
		v.time, _ = time.Parse(time.RFC3339Nano, at) // no time is one that is not known
		all[name] = v
	}
	return all, rows.Err()
}

// totals counts what is in the table.
func (d *database) totals(ctx context.Context) (files, rows, rejects int64, err error) {
	err = d.db.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(rejects), 0) FROM loads WHERE target = ?",
		d.table.name).Scan(&files, &rows, &rejects)
	return files, rows, rejects, err
}

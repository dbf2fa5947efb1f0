package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// table is where the rows go.
type table struct {
	name    string
	columns []column
}

// column is a column of a table.
type column struct {
	name  string
	kind  kind
	empty bool // a field may be empty, which is NULL
}

// kind is the type of a column.
type kind struct {
	name string
	sql  string
	// value returns what goes into the database for a field.
	value func(field string) (any, error)
}

var kinds = []kind{
	{"text", "TEXT", func(s string) (any, error) { return s, nil }},
	{"integer", "INTEGER", func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err
	}},
	{"real", "REAL", func(s string) (any, error) {
		x, err := strconv.ParseFloat(s, 64)
		if err == nil && (math.IsNaN(x) || math.IsInf(x, 0) || strings.ContainsAny(s, "xX_")) {
			err = strconv.ErrSyntax
		}
		return x, err
	}},
	{"date", "TEXT", func(s string) (any, error) {
		_, err := time.Parse(time.DateOnly, s)
		return s, err
	}},
	{"time", "TEXT", func(s string) (any, error) {
		t, err := time.Parse(time.RFC3339, s)
		return t.UTC().Format("2006-01-02T15:04:05.999999999Z"), err
	}},
}

// word is what tables and columns can be called.
var word = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// setColumns reads a list such as "day:date,id:integer,note,paid:real?".
func (t *table) setColumns(list string) error {
	t.columns = nil
	for spec := range strings.SplitSeq(list, ",") {
		c := column{kind: kinds[0]}
		spec, c.empty = strings.CutSuffix(strings.TrimSpace(spec), "?")
		var kindName string
		var typed bool
		if c.name, kindName, typed = strings.Cut(spec, ":"); typed {
			i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == kindName })
			if i < 0 {
				return fmt.Errorf("%q is not a type", kindName)
			}
			c.kind = kinds[i]
		}
		t.columns = append(t.columns, c)
	}
	return nil
}

// check finds names that cannot be used.
func (t *table) check() error {
	if t.name == "" || len(t.columns) == 0 {
		return errors.New("-table and -columns say where the rows go: -table orders -columns day:date,id:integer,note")
	}
	if !word.MatchString(t.name) || isTaken(t.name, "loads", "rejects") || strings.HasPrefix(strings.ToLower(t.name), "sqlite_") {
		return fmt.Errorf("the table cannot be called %q", t.name)
	}
	seen := []string{"load", "line"}
	for _, c := range t.columns {
		if !word.MatchString(c.name) || isTaken(c.name, seen...) {
			return fmt.Errorf("a column cannot be called %q, or not twice", c.name)
		}
		seen = append(seen, c.name)
	}
	return nil
}

func isTaken(s string, by ...string) bool {
	return slices.ContainsFunc(by, func(t string) bool { return strings.EqualFold(s, t) })
}

// places finds the columns of the table in the header of a file.
func (t *table) places(header []string) ([]int, error) {
	places := make([]int, len(t.columns))
	for i, c := range t.columns {
		places[i] = slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), c.name) })
		if places[i] < 0 {
			return nil, fmt.Errorf("the file has no column %s", c.name)
		}
	}
	if len(header) != len(places) {
		return nil, fmt.Errorf("the file has %d columns, and the table %d", len(header), len(places))
	}
	return places, nil
}

// values returns what goes into the database for a row, after load and line.
func (t *table) values(into []any, row []string, places []int) ([]any, error) {
	if len(row) != len(places) {
		return nil, fmt.Errorf("%d fields, want %d", len(row), len(places))
	}
	for i, c := range t.columns {
		field := row[places[i]]
		if field == "" && c.empty {
			into = append(into, nil)
			continue
		}
		if !utf8.ValidString(field) {
			return nil, fmt.Errorf("%s: not UTF-8", c.name)
		}
		v, err := c.kind.value(field)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no %s", c.name, clip(field, 40), c.kind.name)
		}
		into = append(into, v)
	}
	return into, nil
}

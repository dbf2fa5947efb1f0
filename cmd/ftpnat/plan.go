package main

import (
	"slices"
	"strings"
	"time"
)

// op is what is to be done with a file.
type op uint8

const (
	opMkdir op = iota
	opCopy
	opKeep
	opRemove
	opConflict
)

// step is one thing to be done.
type step struct {
	op op
	entry
	why string
}

// verify is how files that are on both sides are compared.
type verify string

const (
	bySize verify = "size"
	byTime verify = "time"
	byHash verify = "hash"
)

// same compares what can be compared without reading the files. A copy has the
// time of its original where that could be set; on a server that does not let
// it, it is younger.
func (v verify) same(src, dst entry, up bool) bool {
	if src.size != dst.size {
		return false
	}
	if v != byTime || src.time.IsZero() || dst.time.IsZero() {
		return true
	}
	// FAT keeps times to two seconds.
	slack := max(src.slack, dst.slack, 2*time.Second)
	diff := dst.time.Sub(src.time)
	return diff > -slack && (up || diff < slack)
}

// makePlan returns what makes dst like src, in an order in which it can be done:
// directories, files, and then what is to be removed. The function same tells of
// a file whether it is to be kept.
func makePlan(src, dst []entry, same func(src, dst entry) bool, remove, dirs bool) []step {
	there := make(map[string]entry, len(dst))
	for _, e := range dst {
		there[e.name] = e
	}
	wanted := make(map[string]bool, len(src))
	needed := neededDirs(src)
	var mkdirs, files, removals []step
	for _, e := range src {
		wanted[e.name] = true
		has, exists := there[e.name]
		switch {
		case e.dir && !dirs && !needed[e.name]:
		case exists && has.dir != e.dir:
			files = append(files, step{opConflict, e, "a file on one side and a directory on the other"})
		case e.dir && !exists:
			mkdirs = append(mkdirs, step{op: opMkdir, entry: e})
		case e.dir:
		case !exists:
			files = append(files, step{opCopy, e, "new"})
		case same(e, has):
			files = append(files, step{op: opKeep, entry: e})
		default:
			files = append(files, step{opCopy, e, "changed"})
		}
	}
	if remove {
		removals = surplus(dst, wanted, dirs)
	}
	return slices.Concat(mkdirs, files, removals)
}

// neededDirs are the directories that have a file in them.
func neededDirs(entries []entry) map[string]bool {
	needed := make(map[string]bool)
	for _, e := range entries {
		if e.dir {
			continue
		}
		for i := len(e.name) - 1; i > 0; i-- {
			if e.name[i] == '/' {
				needed[e.name[:i]] = true
			}
		}
	}
	return needed
}

// surplus is what is on the other side alone, what is in a directory before it.
// A directory stays if not all that is in it is known.
func surplus(dst []entry, wanted map[string]bool, dirs bool) []step {
	var list []step
	for _, e := range slices.Backward(dst) {
		if !wanted[e.name] && (!e.dir || dirs) {
			list = append(list, step{op: opRemove, entry: e})
		}
	}
	return list
}

// line is the step as --dry-run and --verbose show it.
func (s step) line() string {
	name := s.name
	if s.dir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	switch s.op {
	case opMkdir:
		return "make    " + name
	case opCopy:
		return "copy    " + name + " (" + s.why + ", " + bytesText(s.size) + ")"
	case opRemove:
		return "remove  " + name
	case opConflict:
		return "cannot  " + name + " (" + s.why + ")"
	}
	return "keep    " + name
}

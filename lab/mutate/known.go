//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// survivor is a mutant that is known to survive.
type survivor struct {
	line       int // in the file of survivors
	place      string
	reason     string
	equivalent bool // it does the same, so that no test can kill it
}

// The first line of an entry: "file.go:12 Type.Method: reason". The line number
// is for people, and may be wrong.
var entryHead = regexp.MustCompile(`^(\S+\.go)(?::\d+)? (\S+): (.*)$`)

// readKnown reads a file of known survivors, by their keys. There need not be
// one.
func readKnown(path string) (map[string]survivor, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	known, err := parseKnown(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s%w", path, err)
	}
	return known, nil
}

// parseKnown parses entries, which are separated by empty lines: a head, lines
// that go on with its reason, and the diff. Lines with # are comments.
func parseKnown(text string) (map[string]survivor, error) {
	known := map[string]survivor{}
	var head []string
	var current survivor
	var before, after []string
	finish := func() error {
		if head == nil {
			return nil
		}
		reason, ok := strings.CutPrefix(current.reason, "equivalent: ")
		current.equivalent, current.reason = ok, reason
		if len(before)+len(after) == 0 || strings.TrimSpace(reason) == "" {
			return fmt.Errorf(":%d: an entry needs a reason and a diff", current.line)
		}
		known[keyOf(head[1], head[2], before, after)] = current
		head, before, after = nil, nil, nil
		return nil
	}
	for i, line := range strings.Split(text+"\n", "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if err := finish(); err != nil {
				return nil, err
			}
		case head == nil:
			if head = entryHead.FindStringSubmatch(line); head == nil {
				return nil, fmt.Errorf(`:%d: want "file.go:12 function: reason"`, i+1)
			}
			current = survivor{line: i + 1, place: head[1] + " " + head[2], reason: head[3]}
		case strings.HasPrefix(line, "-"):
			before = append(before, strings.TrimSpace(line[1:]))
		case strings.HasPrefix(line, "+"):
			after = append(after, strings.TrimSpace(line[1:]))
		default:
			current.reason += " " + line
		}
	}
	return known, finish()
}

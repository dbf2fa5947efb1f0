package main

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// patternHelp says what a pattern is, for the help of flags.
const patternHelp = "one without a slash is compared with the name, one with a slash with the path; ** stands for any number of directories"

// matchPath reports whether a pattern matches a path in a tree. The pattern is
// known to be valid.
func matchPath(pattern, name string) bool {
	if !strings.Contains(pattern, "/") && pattern != "**" {
		name = path.Base(name)
	}
	ok, _ := doublestar.Match(strings.Trim(pattern, "/"), name)
	return ok
}

// filter says which files of a tree count. The others are not seen: they are
// neither copied nor removed.
type filter struct{ include, exclude []string }

func (f filter) check() error {
	for _, p := range append(f.include[:len(f.include):len(f.include)], f.exclude...) {
		if !doublestar.ValidatePattern(p) {
			return usagef("the pattern %q cannot be read", p)
		}
	}
	return nil
}

// dir reports whether a directory is looked into.
func (f filter) dir(name string) bool { return !matchAny(f.exclude, name) }

// file reports whether a file counts.
func (f filter) file(name string) bool {
	return !isPart(name) && !matchAny(f.exclude, name) && (len(f.include) == 0 || matchAny(f.include, name))
}

// all reports whether directories count for themselves, and not only for the
// files in them.
func (f filter) all() bool { return len(f.include) == 0 }

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matchPath(p, name) {
			return true
		}
	}
	return false
}

package blob

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// attrsExt ends the names of the files that hold attributes.
const attrsExt = ".attrs"

// escaped is what stands in a name for a character that cannot be there.
var escaped = regexp.MustCompile(`__0x[0-9a-fA-F]{1,8}__`)

// temporary matches the hidden names under which ftpnat writes files that are not
// whole yet, or moves files out of the way.
var temporary = regexp.MustCompile(`^\..+\.[a-z2-7]{8}\.(part|old)$`)

// name returns the name of the file of a key.
func (b *bucket) name(op, key string) (string, error) {
	name := escape(key)
	if !fs.ValidPath(name) || name == "." || !b.opts.NoMetadata && strings.HasSuffix(name, attrsExt) {
		return "", &fs.PathError{Op: op, Path: key, Err: fmt.Errorf("not a key of this bucket: %w", fs.ErrInvalid)}
	}
	return name, nil
}

// escape returns the name of the file of a key. It is undone by unescape, so that
// no two keys have the same name.
func escape(key string) string {
	last := len(key) - 1
	start := 0 // of the element
	clean := unescape(key) == key
	var name strings.Builder
	for i, r := range key {
		element := key[start:i]
		hidden := r < ' ' || r == 0x7f || r == '\\'
		switch {
		case r == '/' && (i == last || element == "" || element == "." || element == ".."):
			hidden = true
		case r == '/':
			start = i + 1
		case r == '.' && i == last && (element == "" || element == "."):
			hidden = true
		}
		if hidden {
			clean = false
		}
		if hidden || r == '_' && strings.HasPrefix(key[i:], "__0x") {
			fmt.Fprintf(&name, "__%#x__", r)
			continue
		}
		name.WriteRune(r)
	}
	if clean {
		return key
	}
	return name.String()
}

// unescape returns the key of a name.
func unescape(name string) string {
	return escaped.ReplaceAllStringFunc(name, func(s string) string {
		r, err := strconv.ParseUint(s[4:len(s)-2], 16, 32)
		if err != nil || r > 0x10ffff {
			return s
		}
		return string(rune(r))
	})
}

// keyOf returns the key of a name that a listing has. A name that escape would not
// give is its own key: reading it fails, where another key would be another file.
func keyOf(name string) string {
	if key := unescape(name); escape(key) == name {
		return key
	}
	return name
}

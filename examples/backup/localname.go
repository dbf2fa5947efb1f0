package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// localName returns the name that a file gets in a folder of the system goos.
// What cannot be in a name there becomes %XX. That two names come out as one is
// found when the second one is put in place.
func localName(at, goos string) string {
	if goos == "darwin" || goos == "ios" {
		return escape(at, func(string, int, byte) bool { return false })
	}
	if goos != "windows" {
		return at
	}
	parts := strings.Split(at, "/")
	for i, p := range parts {
		parts[i] = escape(p, avoidOnWindows)
	}
	return strings.Join(parts, "/")
}

// escape replaces the bytes that avoid names, and those that are not UTF-8.
func escape(s string, avoid func(s string, i int, c byte) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || n == 1 && avoid(s, i, s[i]) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// avoidOnWindows reports whether byte c at s[i] cannot be in the name s. A colon
// would name a stream of another file, a backslash a directory, and spaces and
// dots at the end are dropped in silence; CON, NUL and the like are devices,
// whatever their suffix.
func avoidOnWindows(s string, i int, c byte) bool {
	switch {
	case c < ' ', strings.IndexByte(`<>:"|?*\`, c) >= 0:
		return true
	case i == len(s)-1 && (c == ' ' || c == '.'):
		return true
	case i > 0:
		return false
	}
	stem, _, _ := strings.Cut(s, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		digit, isPort = strings.CutPrefix(stem, "LPT")
	}
	return isPort && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit)
}

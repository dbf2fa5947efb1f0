package proto

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Reply is one reply of the server: RFC 959, 4.2.
type Reply struct {
	Code  int      // three digits; zero if there was no reply
	Lines []string // the text, without the code on the first and the last line
}

// Text returns the lines joined by newlines.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// String returns the reply on one line, such as "550 No such file", and the
// empty string for no reply. What would steer a terminal is quoted.
func (r Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	return Quote(strings.TrimRight(fmt.Sprintf("%03d %s", r.Code, strings.Join(r.Lines, " / ")), " "))
}

// Quote returns a text in which what is no printable character, or no UTF-8, is
// written as in a Go string, such as \x1b.
func Quote(text string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !clean(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if clean(r) {
			b.WriteString(text[:n])
		} else {
			quoted := strconv.Quote(text[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// Is reports whether the code is want, or begins with it if want has one or
// two digits. Zero stands for any code.
func (r Reply) Is(want int) bool {
	switch {
	case want <= 0:
		return want == 0
	case want < 10:
		return r.Code/100 == want
	case want < 100:
		return r.Code/10 == want
	}
	return r.Code == want
}

// Completed reports whether the command was carried out.
func (r Reply) Completed() bool { return r.Code/100 == 2 }

// Preliminary reports whether another reply to the same command follows.
func (r Reply) Preliminary() bool { return r.Code/100 == 1 }

// Positive reports whether the command was carried out or goes on.
func (r Reply) Positive() bool { return r.Code >= 100 && r.Code < 400 }

// Size returns the size in a reply to SIZE (RFC 3659, 4), in bytes; -1 if there
// is none.
func (r Reply) Size() int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(r.Text()), 10, 64)
	if r.Code != 213 || err != nil || n < 0 {
		return -1
	}
	return n
}

// ModTime returns the time in a reply to MDTM (RFC 3659, 3), and whether there
// is one.
func (r Reply) ModTime() (time.Time, bool) {
	stamp, _, _ := strings.Cut(strings.TrimSpace(r.Text()), ".")
	t, err := time.ParseInLocation("20060102150405", stamp, time.UTC)
	return t, r.Code == 213 && err == nil
}

// Announced returns the size that a 150 announces, as "(1234 bytes)", and
// whether there is one.
func (r Reply) Announced() (int64, bool) {
	const most = 18 // digits, so that no number is too large
	text := r.Text()
	for {
		before, after, found := strings.Cut(text, " bytes)")
		if !found {
			return 0, false
		}
		if open := strings.LastIndexByte(before, '('); open >= 0 && len(before)-open-1 <= most {
			if n, err := strconv.ParseUint(before[open+1:], 10, 63); err == nil {
				return int64(n), true
			}
		}
		text = after
	}
}

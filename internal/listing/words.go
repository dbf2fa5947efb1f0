package listing

import (
	_ "embed"
	"strings"
	"sync"
)

// languagesData has a line for each language that glibc has locales of: the
// locales, the words that ls has for "total", and the words for each month, in
// UTF-8 and in the charsets that have the letters. internal/locales writes it.
//
//go:embed languages.dat
var languagesData string

//go:generate go run ./internal/locales .

// otherMonths are words that servers use besides those of the table.
var otherMonths = [12]string{
	"janv jän j\xe4n ene gen",
	"febr fév f\xe9v fevr",
	"mär m\xe4r mrz maerz mrt",
	"avr abr", "mag mei", "giu", "lug", "aout ago",
	"sept set szept", "okt ott out", "", "dez dic",
}

// A langSet is a set of languages, by their line in languagesData. The last bit
// stands for otherMonths, which are of no language in particular.
type langSet [4]uint64

const otherLang = 64*len(langSet{}) - 1

func (s *langSet) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s langSet) and(t langSet) langSet {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

func (s langSet) or(t langSet) langSet {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s langSet) empty() bool { return s == langSet{} }

// A meaning of a word is the month that it names in some languages.
type meaning struct {
	month int
	langs langSet
}

type dictionary struct {
	months map[string][]meaning
	totals map[string]langSet
}

// words is the dictionary of all languages. Only a listing with a word in it that
// is not English has it made.
var words = sync.OnceValue(func() *dictionary {
	d := &dictionary{months: make(map[string][]meaning, 1<<13), totals: make(map[string]langSet)}
	lang := 0
	for line := range strings.Lines(languagesData) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for i, field := range strings.Split(rest, "\t") {
			for word := range strings.SplitSeq(field, "\x01") {
				if i == 0 {
					s := d.totals[word]
					s.add(lang)
					d.totals[word] = s
				} else {
					d.add(word, i, lang)
				}
			}
		}
		lang++
	}
	for i, names := range otherMonths {
		for word := range strings.FieldsSeq(names) {
			if d.months[word] == nil {
				d.add(word, i+1, otherLang)
			}
		}
	}
	return d
})

func (d *dictionary) add(word string, month, lang int) {
	if word == "" {
		return
	}
	for i := range d.months[word] {
		if m := &d.months[word][i]; m.month == month {
			m.langs.add(lang)
			return
		}
	}
	m := meaning{month: month}
	m.langs.add(lang)
	d.months[word] = append(d.months[word], m)
}

// maxWord is longer than any word in the dictionary.
const maxWord = 64

// lookup returns what a word may mean, nil if it is in no language.
func (d *dictionary) lookup(word string) []meaning {
	word = strings.TrimRight(word, ".,")
	if len(word) > maxWord {
		return nil
	}
	var buf [maxWord]byte
	return d.months[string(lower(buf[:0], word))]
}

// total returns the languages in which ls heads a listing with word.
func (d *dictionary) total(word string) langSet {
	if len(word) > maxWord {
		return langSet{}
	}
	var buf [maxWord]byte
	return d.totals[string(lower(buf[:0], strings.TrimRight(word, ":")))]
}

// english returns the month of an English abbreviation, 0 if it is none.
func english(word string) int {
	if len(word) != 3 {
		return 0
	}
	switch uint32(word[0]|0x20)<<16 | uint32(word[1]|0x20)<<8 | uint32(word[2]|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8
	case 's'<<16 | 'e'<<8 | 'p':
		return 9
	case 'o'<<16 | 'c'<<8 | 't':
		return 10
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}

// monthOf returns the month that a word names in all languages that have it, 0 if
// there is none or they differ.
func monthOf(word string) int {
	if m := english(word); m != 0 {
		return m
	}
	if word == "" || isDigit(word[0]) {
		return 0
	}
	if all := words().lookup(word); len(all) == 1 {
		return all[0].month
	}
	return 0
}

// lower appends s to b with ASCII letters in lower case; other bytes stay, so
// that any charset survives.
func lower(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

package listing

import "strings"

// monthNames are the names and abbreviations that servers use, in lower case,
// for the languages in which listings have been seen. Latin-1 spellings stand
// beside UTF-8.
var monthNames = [12]string{
	"jan january janv janvier januar jänner jän j\xe4n ene enero gen gennaio januari janeiro 1月 1월",
	"feb february févr f\xe9vr fév f\xe9v fevr février f\xe9vrier februar febr febrero febbraio februari fev fevereiro 2月 2월",
	"mar march mars märz m\xe4rz mär m\xe4r mrz maerz marzo maart mrt março mar\xe7o 3月 3월",
	"apr april avr avril abr abril aprile 4月 4월",
	"may mai mayo mag maggio mei maio maj 5月 5월",
	"jun june juin juni giu giugno junio junho 6月 6월",
	"jul july juil juillet juli lug luglio julio julho 7月 7월",
	"aug august août ao\xfbt aoû ao\xfb aout ago agosto augustus 8月 8월",
	"sep sept september septembre settembre set septiembre setembro szept 9月 9월",
	"oct october octobre okt oktober ott ottobre octubre out outubro 10月 10월",
	"nov november novembre noviembre novembro 11月 11월",
	"dec december déc d\xe9c décembre d\xe9cembre dez dezember dic dicembre diciembre dezembro 12月 12월",
}

var months = func() map[string]int {
	m := make(map[string]int)
	for i, names := range monthNames {
		for name := range strings.FieldsSeq(names) {
			m[name] = i + 1
		}
	}
	return m
}()

// monthOf returns the month that a word names, 0 if none.
func monthOf(word string) int {
	word = strings.TrimRight(word, ".,")
	var buf [16]byte
	if len(word) > len(buf) {
		return 0
	}
	return months[string(lower(buf[:0], word))]
}

// lower appends s to b with ASCII letters in lower case; other bytes stay, so
// that Latin-1 survives.
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

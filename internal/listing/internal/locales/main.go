// The command locales writes what the listing package knows of languages: the
// words that the C library's locales have for months and ls for "total", and
// listings of one directory that ls made in each of them.
//
// It needs a system with glibc's locales (Debian's locales-all), GNU ls and
// iconv:
//
//	go run ./internal/listing/internal/locales internal/listing
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// charsets are those that servers of some language have been set to.
var charsets = strings.Fields(`ISO-8859-1 ISO-8859-2 ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7
	ISO-8859-8 ISO-8859-9 ISO-8859-10 ISO-8859-13 ISO-8859-14 ISO-8859-15 ISO-8859-16 CP1250 CP1251 CP1252 CP1253
	CP1254 CP1255 CP1256 CP1257 CP1258 CP437 CP737 CP775 CP850 CP852 CP855 CP857 CP862 CP866 KOI8-R KOI8-U KOI8-T
	SHIFT_JIS EUC-JP GBK BIG5 EUC-TW EUC-KR TIS-620 ARMSCII-8 GEORGIAN-PS PT154 RK1048 TCVN`)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: locales dir")
	}
	dir := os.Args[1]
	names := strings.Fields(string(output("", "locale", "-a")))
	sample, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(sample)
	lists := makeLists(sample, names)
	if err := os.WriteFile(filepath.Join(dir, "testdata", "locales.gz"), lists, 0o644); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "languages.dat"), languages(sample, names), 0o644); err != nil {
		log.Fatal(err)
	}
}

// output runs a command in a locale, "" for that of the environment.
func output(locale, name string, arg ...string) []byte {
	cmd := exec.Command(name, arg...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	if locale != "" {
		cmd.Env = append(cmd.Env, "LC_ALL="+locale)
	}
	out, err := cmd.Output()
	if err != nil {
		log.Fatalf("%s: %v: %v", locale, cmd, err)
	}
	return out
}

// makeLists fills dir with files and has ls list it in each locale.
func makeLists(dir string, locales []string) []byte {
	now := time.Now().UTC().Truncate(time.Second)
	var text bytes.Buffer
	fmt.Fprintf(&text, "now %d\n", now.Unix())
	make := func(name string, t time.Time) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("twelve bytes"), 0o644); err != nil {
			log.Fatal(err)
		}
		if err := os.Chtimes(path, t, t); err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(&text, "file %d %q\n", t.Unix(), name)
	}
	for m := time.January; m <= time.December; m++ {
		make(fmt.Sprintf("old%d", m), time.Date(2019, m, 2*int(m)+1, 0, 0, 0, 0, time.UTC))
	}
	for i := range 6 {
		t := now.AddDate(0, -i, -i).Truncate(time.Minute)
		make(fmt.Sprintf("%d new", i), t)
	}
	make(" blank", time.Date(2018, time.May, 31, 0, 0, 0, 0, time.UTC))
	make("  blanks", now.Add(-time.Hour).Truncate(time.Minute))
	make("2017", time.Date(2017, time.December, 31, 0, 0, 0, 0, time.UTC))
	for _, l := range locales {
		list := output(l, "ls", "-lU", dir)
		fmt.Fprintf(&text, "locale %d %s\n%s", len(list), l, list)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := z.Write(text.Bytes()); err != nil {
		log.Fatal(err)
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	return packed.Bytes()
}

// A language has what locales have in common that share their words.
type language struct {
	locales []string
	total   map[string]bool
	months  [12]map[string]bool
}

// languages returns a line for each language: its locales, the words for
// "total" and those for the months, in UTF-8 and in all charsets that have the
// letters, separated by tabs and, within a field, by the byte 1.
func languages(dir string, locales []string) []byte {
	byWords := make(map[string]*language)
	for _, l := range locales {
		lang := words(dir, l)
		key := string(lang.line()[len(strings.Join(lang.locales, "\x01")):])
		if same, ok := byWords[key]; ok {
			same.locales = append(same.locales, l)
		} else {
			byWords[key] = lang
		}
	}
	// What differs by the charset alone was made the same by conversion.
	all := slices.SortedFunc(maps.Values(byWords), func(a, b *language) int { return cmp.Compare(a.locales[0], b.locales[0]) })
	var out bytes.Buffer
	for _, lang := range all {
		out.Write(lang.line())
	}
	return out.Bytes()
}

func (l *language) line() []byte {
	fields := []string{strings.Join(l.locales, "\x01"), set(l.total)}
	for _, m := range l.months {
		fields = append(fields, set(m))
	}
	return []byte(strings.Join(fields, "\t") + "\n")
}

func set(words map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(words)), "\x01")
}

func words(dir, locale string) *language {
	charset := strings.TrimSpace(string(output(locale, "locale", "charmap")))
	lang := &language{locales: []string{locale}, total: make(map[string]bool)}
	list := output(locale, "ls", "-l", dir)
	total, _, _ := bytes.Cut(list, []byte("\n"))
	add(lang.total, charset, total[:bytes.LastIndexByte(total, ' ')])
	for i := range lang.months {
		lang.months[i] = make(map[string]bool)
	}
	for _, key := range []string{"abmon", "mon", "alt_mon", "ab_alt_mon"} {
		line := bytes.TrimRight(output(locale, "locale", key), "\n")
		for i, word := range bytes.Split(line, []byte(";")) {
			if i < len(lang.months) {
				add(lang.months[i], charset, word)
			}
		}
	}
	return lang
}

// add puts a word into a set in the form in which the parser looks it up.
func add(set map[string]bool, charset string, word []byte) {
	text, ok := iconv(charset, "UTF-8", word)
	if !ok {
		text = string(word)
	}
	for _, form := range append([]string{text}, converted(text)...) {
		set[normal(form)] = true
	}
	delete(set, "")
}

// normal is the form of a word in the table: ASCII letters in lower case, one
// blank between words, no points at the end.
func normal(word string) string {
	lower := []byte(word)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] += 'a' - 'A'
		}
	}
	return strings.TrimRight(string(bytes.Join(bytes.FieldsFunc(lower, func(r rune) bool { return r == ' ' || r == '\t' }), []byte(" "))), ".")
}

var conversions = make(map[string][]string)

func converted(text string) []string {
	if forms, ok := conversions[text]; ok || strings.Trim(text, ascii) == "" {
		return forms
	}
	var forms []string
	for _, to := range charsets {
		if form, ok := iconv("UTF-8", to, []byte(text)); ok {
			forms = append(forms, form)
		}
	}
	conversions[text] = forms
	return forms
}

var ascii = func() string {
	var b []byte
	for c := range byte(0x80) {
		b = append(b, c)
	}
	return string(b)
}()

func iconv(from, to string, text []byte) (string, bool) {
	if from == "ANSI_X3.4-1968" {
		from = "ASCII"
	}
	cmd := exec.Command("iconv", "-f", from, "-t", to)
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	return string(out), err == nil
}

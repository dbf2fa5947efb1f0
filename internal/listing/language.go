package listing

// A tongue is what a listing has shown of its language. Its zero value has shown
// nothing.
type tongue struct {
	shown bool
	langs langSet // if shown: those that have had all words so far

	unsure []string // words for several months, which wait for Settle
}

// total narrows the languages to those whose ls says word for "total". It
// reports whether there is one.
func (t *tongue) total(word string) bool {
	if word == "total" && !t.shown {
		return true // ls says so in most languages
	}
	langs := words().total(word)
	if langs.empty() {
		return false
	}
	t.narrow(langs)
	return true
}

// Languages that have had a word are kept; a listing that mixes them has none.
func (t *tongue) narrow(langs langSet) {
	if !t.shown {
		t.shown, t.langs = true, langs
	} else if both := t.langs.and(langs); !both.empty() {
		t.langs = both
	}
}

// month returns the month that word names in the listing's language. It is known
// if the word is in the dictionary, and 0 and known if it has several meanings
// that the listing does not decide between.
func (t *tongue) month(word string) (month int, known bool) {
	eng := english(word)
	if eng != 0 && !t.shown {
		return eng, true
	}
	all := words().lookup(word)
	month, left := t.choose(all)
	if left == 0 && eng != 0 { // the heading is in another language than the dates
		month = eng
	}
	return month, len(all) > 0
}

// choose returns the one meaning that is left in the listing's language, and how
// many there are.
func (t *tongue) choose(all []meaning) (month, left int) {
	for _, m := range all {
		if !t.shown || !m.langs.and(t.langs).empty() {
			month = m.month
			left++
		}
	}
	switch {
	case left == 0 && len(all) == 1:
		month = all[0].month
	case left != 1:
		month = 0
	}
	return month, left
}

// saw takes a word for a month of the listing's language.
func (t *tongue) saw(word string) {
	if english(word) != 0 && !t.shown {
		return
	}
	var langs langSet
	for _, m := range words().lookup(word) {
		langs = langs.or(m.langs)
	}
	if !langs.empty() && langs[len(langs)-1]>>63 == 0 {
		t.narrow(langs)
	}
}

// pads reports whether ls fills up a date column with a blank in the listing's
// language, as German does after a year and Polish after a date, and whether that
// is known.
func (t *tongue) pads(column padding) (pads, known bool) {
	if !t.shown {
		return false, false
	}
	if column == padISO {
		pads = t.within("razem")
		return pads, pads || t.within("viso")
	}
	german := words().total("insgesamt").and(t.langs)
	return !german.empty(), german.empty() || german == t.langs
}

// within reports whether the language is one whose ls says word for "total".
func (t *tongue) within(word string) bool {
	return t.langs.and(words().total(word)) == t.langs
}

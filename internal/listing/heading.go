package listing

import "strings"

// totals are the words with which ls announces the sum of blocks, by language.
var totals = []string{"total", "Total", "totale", "totaal", "insgesamt", "summe", "合計", "总用量", "總計", "합계", "итого", "razem", "celkem", "összesen"}

// heading recognises lines that every listing of some format may carry besides
// its entries. The format is FormatAuto where the line is common to several.
func heading(line string) (Format, bool) {
	var f fields
	f.split(line)
	if f.n < 2 {
		return FormatAuto, false
	}
	first, second := f.at(0), f.at(1)
	switch first {
	case "Volume":
		if second == "Unit" {
			return FormatDatasets, true
		}
		return FormatDOS, second == "in" || second == "Serial"
	case "Name":
		return FormatMembers, second == "VV.MM" || second == "Size" && f.at(2) == "TTR"
	case "File":
		return FormatNonStop, second == "Code" && f.at(2) == "EOF"
	case "JOBNAME":
		return FormatJES, second == "JOBID"
	case "Directory":
		if second == "of" {
			return FormatDOS, true
		}
		return FormatVMS, strings.Contains(second, "[") && strings.Contains(second, "]")
	case "Total", "Grand":
		if strings.Contains(line, " block") || strings.Contains(line, " file") {
			return FormatVMS, true
		}
	}
	if isNumber(first) {
		return FormatDOS, second == "File(s)" || second == "Dir(s)"
	}
	return FormatUnix, f.n == 2 && isTotal(first, second)
}

func isTotal(word, count string) bool {
	if count[0] < '0' || count[0] > '9' {
		return false
	}
	for _, t := range totals {
		if word == t {
			return true
		}
	}
	return false
}

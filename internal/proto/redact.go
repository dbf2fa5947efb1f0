package proto

import (
	"cmp"
	"slices"
	"strings"
)

const stars = "****"

// Redact returns the line as it may be shown.
func Redact(line string) string {
	shown, _ := redact(line)
	return shown
}

// Secrets returns what must not be seen of a command, the longest first.
func Secrets(line string) []string {
	_, secrets := redact(line)
	return secrets
}

// redact returns a command as it may be shown, and its secrets, the longest
// first so that one which holds another is masked as a whole. The argument of
// PASS and ACCT is secret whatever its case; so are the words of the SITE
// commands that set a password on some servers (SITE PSWD old new).
func redact(line string) (shown string, secrets []string) {
	verb, arg := cutWord(line)
	if strings.TrimSpace(arg) == "" {
		return line, nil
	}
	switch strings.ToUpper(verb) {
	case "PASS", "ACCT", "XPAS":
		// A server may echo it without the space around it.
		return verb + " " + stars, secretWords(arg, strings.TrimSpace(arg))
	case "SITE":
		sub, rest := cutWord(arg)
		words := strings.Fields(rest)
		switch strings.ToUpper(sub) {
		case "PSWD", "CPWD", "PASS":
			return verb + " " + sub + strings.Repeat(" "+stars, len(words)), secretWords(words...)
		}
	}
	return line, nil
}

func secretWords(words ...string) []string {
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return slices.Compact(words)
}

// cutWord cuts a line after its first word, as a tolerant server does.
func cutWord(line string) (word, rest string) {
	line = strings.TrimLeft(line, " \t")
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return line, ""
	}
	return line[:i], line[i+1:]
}

// Mask takes secrets out of a reply: servers repeat what they did not
// understand.
func Mask(r Reply, secrets []string) Reply {
	if len(secrets) == 0 {
		return r
	}
	for i, l := range r.Lines {
		r.Lines[i] = MaskText(l, secrets)
	}
	return r
}

// short is the length up to which a secret is masked only where it stands alone:
// one of a letter or two is in half of all words, and who sees the stars in them
// knows it.
const short = 2

// MaskText takes secrets out of a text.
func MaskText(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) > short {
			text = strings.ReplaceAll(text, s, stars)
		} else {
			text = replaceAlone(text, s, stars)
		}
	}
	return text
}

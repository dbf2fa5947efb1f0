package control

import "strings"

const stars = "****"

// secretsOf returns what must not be seen of a command. The argument of PASS
// and ACCT is secret whatever its case; so are the words of SITE PASS-like
// commands that some servers know (SITE PSWD old new).
func secretsOf(line string) []string {
	verb, arg, ok := strings.Cut(line, " ")
	if !ok || arg == "" {
		return nil
	}
	switch strings.ToUpper(verb) {
	case "PASS", "ACCT", "XPAS":
		return []string{arg}
	case "SITE":
		words := strings.Fields(arg)
		if len(words) > 1 && (strings.EqualFold(words[0], "PSWD") || strings.EqualFold(words[0], "CPWD") || strings.EqualFold(words[0], "PASS")) {
			return words[1:]
		}
	}
	return nil
}

// Redact returns the line as it may be shown.
func Redact(line string) string {
	for _, s := range secretsOf(line) {
		// The verb stays as it is, whatever the secret.
		verb, arg, _ := strings.Cut(line, " ")
		line = verb + " " + strings.ReplaceAll(arg, s, stars)
	}
	return line
}

// mask takes secrets out of a reply: servers echo what they did not
// understand.
func mask(r Reply, secrets []string) Reply {
	for _, s := range secrets {
		for i, l := range r.Lines {
			if strings.Contains(l, s) {
				r.Lines[i] = strings.ReplaceAll(l, s, stars)
			}
		}
	}
	return r
}

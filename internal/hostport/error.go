package hostport

import "strconv"

// maxQuoted bounds how much of a peer's text an error repeats.
const maxQuoted = 80

// A ParseError says why a text holds no usable address.
type ParseError struct {
	Form   string // "PASV reply", "EPSV reply", "PORT argument" or "EPRT argument"
	Reason string
	Text   string // the offending text, whole
}

// Error quotes the offending text, cut to a length that suits a log.
func (e *ParseError) Error() string {
	text, more := e.Text, ""
	if len(text) > maxQuoted {
		text, more = text[:maxQuoted], "..."
	}
	return e.Form + " " + strconv.Quote(text) + more + ": " + e.Reason
}

func fault(form, text, reason string) error {
	return &ParseError{Form: form, Reason: reason, Text: text}
}

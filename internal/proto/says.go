package proto

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// words is a list of texts, in small letters, that say the same in replies.
type words []struct {
	text   string
	server string // that says so, where it is one server's own word
}

// in reports whether a text in small letters has one of the words.
func (ws words) in(text string) bool {
	for _, w := range ws {
		if strings.Contains(text, w.text) {
			return true
		}
	}
	return false
}

// What servers say, in one place. A row that names no server is what many say.
var (
	missingWords = words{
		{"no such", ""}, {"not found", ""}, {"cannot find", "IIS"}, {"does not exist", ""}, {"doesn't exist", "Serv-U"},
	}
	deniedWords = words{
		{"denied", ""}, {"permission", ""}, {"not permitted", ""}, {"not allowed", ""},
	}
	manyWords   = words{{"too many", ""}, {"maximum", "ProFTPD"}}
	noDataWords = words{
		{"pasv or port", "ftp-srv"}, {"port or pasv", "vsftpd"}, {"pasv first", ""},
		{"no data connection", "Pure-FTPd"}, {"no transfer connection", ""},
	}
	noRestartWords = words{{"restart not permitted", "ProFTPD"}}
	tlsWords       = words{{"tls", ""}, {"ssl", ""}, {"handshake", ""}, {"certificate", ""}, {"secur", ""}}
	truncatedWords = words{{"truncated", "Pure-FTPd"}}
	emptyWords     = words{{"no members found", "z/OS"}, {"no data sets found", "z/OS"}, {"no files found", "Windows CE"}}
	reuseWords     = words{{"reuse", "vsftpd"}, {"resum", "FileZilla Server"}}
	badIPWords     = words{{"bad ip", "vsftpd"}, {"security", "vsftpd"}}
)

func (r Reply) lower() string { return strings.ToLower(r.Text()) }

// Unsupported reports whether the server says that it does not have the command
// at all.
func (r Reply) Unsupported() bool {
	switch r.Code {
	case 500, 502, 504, 202:
		return true
	}
	return r.Code == 501 && strings.Contains(r.lower(), "not understood") // ProFTPD
}

// Missing reports whether the reply says in words that there is no such file.
func (r Reply) Missing() bool { return missingWords.in(r.lower()) }

// Denied reports whether the reply says in words that it is one of rights.
func (r Reply) Denied() bool { return deniedWords.in(r.lower()) }

// Lasting reports whether a refusal is temporary by its code and not by its
// words: some servers have 450 and 451 for all that goes wrong with a file.
func (r Reply) Lasting() bool {
	return (r.Code == 450 || r.Code == 451) && (r.Missing() || r.Denied())
}

// TooMany reports whether a refusal is about the number of connections.
func (r Reply) TooMany() bool {
	return r.Code == 421 || r.Code == 530 && manyWords.in(r.lower())
}

// NoData reports whether the reply to line says that the server knows of no data
// connection. It may repeat the name of a file, which does not count.
func (r Reply) NoData(line string) bool {
	text := r.lower()
	if _, name, _ := strings.Cut(line, " "); name != "" {
		text = without(text, strings.ToLower(name))
	}
	return noDataWords.in(text)
}

// without returns a text without a name in it. What only stands inside other
// words, as "a" does, is not the name.
func without(text, name string) string {
	letter := func(s string, last bool) bool {
		r, _ := utf8.DecodeRuneInString(s)
		if last {
			r, _ = utf8.DecodeLastRuneInString(s)
		}
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	var kept strings.Builder
	for {
		before, after, found := strings.Cut(text, name)
		kept.WriteString(before)
		if !found {
			return kept.String()
		}
		if letter(before, true) || letter(after, false) {
			kept.WriteString(name)
		}
		text = after
	}
}

// NamesModes reports whether the reply names both PASV and PORT: it then wants
// one of them first, whatever its code.
func (r Reply) NamesModes() bool {
	text := r.lower()
	return strings.Contains(text, "pasv") && strings.Contains(text, "port")
}

// NoMode reports whether a 503 names a mode's command: the server does not know
// of the mode that it has agreed to.
func (r Reply) NoMode() bool {
	text := r.lower()
	return r.Code == 503 && (strings.Contains(text, "port") || strings.Contains(text, "pasv"))
}

// NoRestart reports whether the server has taken REST and refuses what follows
// for it: ProFTPD with AllowRetrieveRestart off does, by a transient reply.
func (r Reply) NoRestart() bool { return r.Code == 451 && noRestartWords.in(r.lower()) }

// RefusesFile reports whether a reply can only be a refusal of what a transfer
// was to carry, or of the data connection for it.
func (r Reply) RefusesFile() bool {
	return r.Code/10 == 55 || r.Code >= 450 && r.Code <= 452
}

// AboutTLS reports whether a refusal is one of TLS, and not of the file.
func (r Reply) AboutTLS() bool { return tlsWords.in(r.lower()) }

// WantsReuse reports whether a reply says that a TLS session has to be resumed.
func (r Reply) WantsReuse() bool { return reuseWords.in(r.lower()) }

// BadIP reports whether a reply says that the data connection came from another
// address than the control connection.
func (r Reply) BadIP() bool { return badIPWords.in(r.lower()) }

// Truncated reports whether a closing reply says that a listing is not complete.
func (r Reply) Truncated() bool { return truncatedWords.in(r.lower()) }

// EmptyDir reports whether the refusal of a listing says that there is nothing
// to be listed.
func (r Reply) EmptyDir() bool { return emptyWords.in(r.lower()) }

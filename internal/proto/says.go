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
	manyWords = words{
		{"too many", ""}, {"maximum", "ProFTPD"}, {"users are connected", "FileZilla Server"}, {"already connected", ""},
		{"connection limit", ""}, {"limit reached", ""}, {"limit exceeded", ""}, {"user limit", ""},
	}
	// laterWords are of a server that will be there again.
	laterWords = words{
		{"try again", ""}, {"try later", ""}, {"again later", ""}, {"busy", ""}, {"overload", ""}, {"not available", "RFC 959"},
		{"unavailable", ""}, {"shut", ""}, {"maintenance", ""}, {"timeout", ""}, {"timed out", ""}, {"idle", ""},
	}
	// fullWords are of a disk, or a quota, that has no room left.
	fullWords = words{
		{"no space", "pyftpdlib"}, {"not enough space", ""}, {"enough disk", ""}, {"disk full", ""}, {"disk is full", ""}, {"device full", ""}, {"disc full", ""},
		{"out of space", ""}, {"space left", ""}, {"disk space", ""}, {"free space", ""}, {"quota", "ProFTPD, Pure-FTPd"},
		{"insufficient storage", "RFC 959"}, {"insufficient space", ""}, {"storage allocation", "RFC 959"}, {"storage space", ""},
		{"writing to local file", "vsftpd"}, {"during write to file", "Pure-FTPd"},
	}
	// neverWords are of a refusal that will not pass by itself.
	neverWords = words{
		{"forbidden", ""}, {"banned", ""}, {"blocked", ""}, {"blacklist", ""}, {"unauthorized", ""}, {"not authorized", ""}, {"rejected", ""},
		{"login incorrect", ""}, {"incorrect", ""}, {"invalid", ""}, {"failed login", ""}, {"login attempts", "FileZilla Server"}, {"login failures", ""},
		{"authentication fail", ""}, {"wrong password", ""}, {"read-only", ""}, {"read only", ""}, {"prohibited", "Pure-FTPd"}, {"illegal", ""},
		{"disabled", "ftpserverlib"}, {"not supported", ""}, {"unsupported", ""}, {"not implemented", ""}, {"already exist", ""}, {"file exists", ""},
		{"not a directory", ""}, {"is a directory", ""}, {"not empty", ""}, {"not on the list", ""}, {"whitelist", ""},
		{"name too long", ""}, {"file too large", ""}, {"privilege", "pyftpdlib"}, {"wrong user", ""},
	}
	noDataWords = words{
		{"pasv or port", "ftp-srv"}, {"port or pasv", "vsftpd"}, {"pasv first", ""},
		{"no data connection", "Pure-FTPd"}, {"no transfer connection", ""},
	}
	noRestartWords = words{{"restart not permitted", "ProFTPD"}}
	tlsWords       = words{{"tls", ""}, {"ssl", ""}, {"handshake", ""}, {"certificate", ""}, {"secur", ""}}
	truncatedWords = words{{"truncated", "Pure-FTPd"}}
	emptyWords     = words{{"no members found", "z/OS"}, {"no data sets found", "z/OS"}, {"no files found", "Windows CE"}, {"no files in directory", "home-made servers"}, {"no files.", "home-made servers"}}
	// brokenWords are of a data connection that broke, where the code says otherwise.
	brokenWords = words{
		{"econnreset", "ftp-srv"}, {"econnaborted", "ftp-srv"}, {"epipe", "ftp-srv"}, {"connection reset", "goftp"}, {"broken pipe", "goftp"},
		{"error reading file", "goftp"}, // for whatever ends a download
	}
	reuseWords = words{{"reuse", "vsftpd"}, {"resum", "FileZilla Server"}}
	badIPWords = words{{"bad ip", "vsftpd"}, {"security", "vsftpd"}}
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

// Crashed reports whether a 500 is that of a server that ends in the middle:
// vsftpd says "500 OOPS:" whatever it was asked.
func (r Reply) Crashed() bool { return strings.HasPrefix(r.lower(), "oops") }

// Missing reports whether the reply says in words that there is no such file.
func (r Reply) Missing() bool { return missingWords.in(r.lower()) }

// Denied reports whether the reply says in words that it is one of rights.
func (r Reply) Denied() bool { return deniedWords.in(r.lower()) }

// Full reports whether a refusal is that of a disk or a quota that is full: by
// its words, whatever the code, because servers have 426, 450, 451, 452, 550, 552
// and 553 for it.
func (r Reply) Full() bool {
	return r.Code == 452 || r.Code >= 400 && fullWords.in(r.lower())
}

// Lasting reports whether a refusal is temporary by its code and not by its
// words: some servers have 450 and 451 for all that goes wrong with a file.
func (r Reply) Lasting() bool {
	if r.Code/100 != 4 {
		return false
	}
	text := r.lower()
	switch {
	case r.Full():
		return true
	case r.Code == 425 || r.Code == 426:
		return false // about the data connection, whatever it was
	case r.Code == 421:
		return r.shut(text)
	}
	return missingWords.in(text) || deniedWords.in(text) || neverWords.in(text) || emptyWords.in(text)
}

// shut reports whether a 421 says that the door is shut for good, or for who
// comes in clear text.
func (r Reply) shut(text string) bool {
	if neverWords.in(text) {
		return true
	}
	return !manyWords.in(text) && (deniedWords.in(text) || tlsWords.in(text) || strings.Contains(text, "cleartext"))
}

// TooMany reports whether a refusal is about the number of connections, and
// those that are there may go on.
func (r Reply) TooMany() bool {
	switch r.Code {
	case 421:
		return !r.Lasting()
	case 430, 450, 530:
		text := r.lower()
		return manyWords.in(text) && !neverWords.in(text)
	}
	return false
}

// Later reports whether a server that is not to be had says in words that it
// will be: that it has too many connections, or is busy.
func (r Reply) Later() bool {
	text := r.lower()
	return (manyWords.in(text) || laterWords.in(text)) && !neverWords.in(text)
}

// WantsTLS reports whether a refusal says that the server wants TLS first.
func (r Reply) WantsTLS() bool {
	text := r.lower()
	if r.Code/10 != 42 && r.Code/10 != 53 && r.Code/100 != 5 || r.Code/10 == 55 {
		return false
	}
	return tlsWords.in(text) || strings.Contains(text, "cleartext") || strings.Contains(text, "plain text") || strings.Contains(text, "encrypt")
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

// without returns a text without a name in it.
func without(text, name string) string { return replaceAlone(text, name, "") }

// replaceAlone replaces a name in a text. What only stands inside other words, as
// "a" does, is not the name.
func replaceAlone(text, name, by string) string {
	if name == "" {
		return text
	}
	letter := func(r rune, size int) bool { return size > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	var kept strings.Builder
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			kept.WriteString(text[from:])
			return kept.String()
		}
		at, end := from+i, from+i+len(name)
		kept.WriteString(text[from:at])
		if letter(utf8.DecodeLastRuneInString(text[:at])) || letter(utf8.DecodeRuneInString(text[end:])) {
			kept.WriteString(name)
		} else {
			kept.WriteString(by)
		}
		from = end
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

// Broken reports whether a refusal says, in words and not by its code, that the data
// connection broke.
func (r Reply) Broken() bool { return r.Code/10 == 55 && brokenWords.in(r.lower()) }

// WantsReuse reports whether a reply says that a TLS session has to be resumed.
func (r Reply) WantsReuse() bool { return reuseWords.in(r.lower()) }

// BadIP reports whether a reply says that the data connection came from another
// address than the control connection.
func (r Reply) BadIP() bool { return badIPWords.in(r.lower()) }

// Truncated reports whether a closing reply says that a listing is not complete.
func (r Reply) Truncated() bool { return truncatedWords.in(r.lower()) }

// EmptyDir reports whether the refusal of a listing, or its closing reply, says that
// there is nothing to be listed.
func (r Reply) EmptyDir() bool { return emptyWords.in(r.lower()) }

package control

import (
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// State is what the server keeps of a session, as far as the client said it:
// the commands that a new control connection must repeat to stand where the
// old one stood. FTP has no way to ask for most of it. The zero value is a
// session before its login.
type State struct {
	login    []string // USER, PASS, ACCT as they were sent
	loggedIn bool
	settings []setting // in the order of their first use
	dirs     []string  // CWD and CDUP since the login directory or the last absolute one
	home     []string  // dirs as SetHome found them
	rnfr     string    // an RNFR that waits for its RNTO
}

type setting struct {
	key, line string
	early     bool // came ahead of the login
}

// maxDirs bounds the commands that lead to the working directory. Beyond it
// the session asks for the directory's name (see [State.NeedPWD]).
const maxDirs = 16

// Note records a command that the server answered with reply.
func (s *State) Note(line string, reply proto.Reply) {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	ok := reply.Code/100 == 2
	s.rnfr = ""
	switch verb {
	case "USER":
		if !reply.Positive() {
			return
		}
		// It begins a new login and leaves the settings alone: RFC 959, 4.1.1.
		*s = State{login: []string{line}, loggedIn: ok, settings: s.settings}
	case "PASS", "ACCT":
		if reply.Positive() {
			s.identify(verb, line)
			s.loggedIn = ok
		}
	case "REIN":
		if ok {
			*s = State{}
		}
	case "RNFR":
		if reply.Code/100 == 3 {
			s.rnfr = line
		}
	case "CWD", "XCWD", "CDUP", "XCUP":
		if ok {
			s.changeDir(line, arg)
		}
	default:
		if key := settingKey(verb, arg); ok && key != "" {
			s.set(key, line)
		}
	}
}

// identify puts a PASS or ACCT in the place of an earlier one.
func (s *State) identify(verb, line string) {
	s.login = slices.DeleteFunc(s.login, func(l string) bool {
		v := Verb(l)
		return v == "ACCT" || v == verb
	})
	s.login = append(s.login, line)
}

// Unanswered records that a command got no reply: it may have been carried
// out or not, and a rename must not be begun again for nobody.
func (s *State) Unanswered() { s.rnfr = "" }

// settingKey names what a command sets, so that a later one replaces it;
// empty for commands that set nothing. PBSZ and PROT are not here: they
// belong to the TLS of a connection, which [Session] sets up anew.
func settingKey(verb, arg string) string {
	switch verb {
	case "TYPE", "MODE", "STRU", "LANG", "CLNT", "HOST":
		return verb
	case "OPTS":
		what, _, _ := strings.Cut(arg, " ")
		return verb + " " + strings.ToUpper(what)
	case "SITE":
		// Without a value it only asks.
		if what, value, _ := strings.Cut(arg, " "); strings.EqualFold(what, "UMASK") && value != "" {
			return "SITE UMASK"
		}
	}
	return ""
}

func (s *State) set(key, line string) {
	st := setting{key, line, len(s.login) == 0}
	if i := slices.IndexFunc(s.settings, func(o setting) bool { return o.key == key }); i >= 0 {
		s.settings[i] = st
		return
	}
	s.settings = append(s.settings, st)
}

func (s *State) changeDir(line, arg string) {
	if strings.HasPrefix(arg, "/") {
		s.dirs = s.dirs[:0]
	}
	s.dirs = append(s.dirs, line)
}

// NeedPWD reports whether the way to the working directory has become long.
// A server whose PWD tells nothing is not asked again at each step.
func (s *State) NeedPWD() bool { return len(s.dirs) > 0 && len(s.dirs)%(maxDirs+1) == 0 }

// SetDir says what PWD answered: a name that CWD takes, whatever it looks like
// (RFC 959, appendix II). A name that no command can hold is passed over.
func (s *State) SetDir(dir string) {
	if line := "CWD " + dir; dir != "" && CheckCommand(line) == nil {
		s.dirs = append(s.dirs[:0], line)
	}
}

// SetHome makes the working directory the one to which GoHome returns.
func (s *State) SetHome() { s.home = slices.Clone(s.dirs) }

// GoHome has the next control connection stand in that directory.
func (s *State) GoHome() { s.dirs = slices.Clone(s.home) }

// LoggedIn reports whether a login is to be repeated.
func (s *State) LoggedIn() bool { return s.loggedIn }

// Before returns the commands to send ahead of the login: what was set there,
// and HOST, which has its place nowhere else (RFC 7151).
func (s *State) Before() []string {
	return s.lines(func(st setting) bool { return st.early || st.key == "HOST" })
}

// Login returns the commands of the login.
func (s *State) Login() []string { return s.login }

// After returns the commands that follow the login: the other settings, and
// the way to the working directory.
func (s *State) After() []string {
	after := s.lines(func(st setting) bool { return !st.early && st.key != "HOST" })
	return append(after, s.dirs...)
}

// Rename returns the RNFR that waits for its RNTO; empty when none does.
func (s *State) Rename() string { return s.rnfr }

func (s *State) lines(want func(setting) bool) []string {
	var lines []string
	for _, st := range s.settings {
		if want(st) {
			lines = append(lines, st.line)
		}
	}
	return lines
}

package control

import (
	"slices"
	"strings"
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
	rnfr     string    // an RNFR that waits for its RNTO
}

type setting struct{ key, line string }

// maxDirs bounds the commands that lead to the working directory. Beyond it
// the session asks for the directory's name (see [State.NeedPWD]).
const maxDirs = 16

// Note takes in a command that the server answered with reply.
func (s *State) Note(line string, reply Reply) {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	ok := reply.Code/100 == 2
	if verb != "RNFR" {
		s.rnfr = ""
	}
	switch verb {
	case "USER":
		if !reply.Positive() {
			return
		}
		*s = State{login: []string{line}, loggedIn: ok, settings: s.beforeLogin()}
	case "PASS", "ACCT":
		if reply.Positive() {
			s.login = append(s.login, line)
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

// beforeLogin returns the settings that a server takes before USER and that
// a second USER does not undo.
func (s *State) beforeLogin() []setting {
	return slices.DeleteFunc(slices.Clone(s.settings), func(st setting) bool {
		return st.key != "HOST" && st.key != "CLNT"
	})
}

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
		if what, _, _ := strings.Cut(arg, " "); strings.EqualFold(what, "UMASK") {
			return "SITE UMASK"
		}
	}
	return ""
}

func (s *State) set(key, line string) {
	for i := range s.settings {
		if s.settings[i].key == key {
			s.settings[i].line = line
			return
		}
	}
	s.settings = append(s.settings, setting{key, line})
}

func (s *State) changeDir(line, arg string) {
	if strings.HasPrefix(arg, "/") {
		s.dirs = s.dirs[:0]
	}
	s.dirs = append(s.dirs, line)
}

// NeedPWD reports whether the way to the working directory has become long.
func (s *State) NeedPWD() bool { return len(s.dirs) > maxDirs }

// SetDir says what PWD answered.
func (s *State) SetDir(dir string) {
	if strings.HasPrefix(dir, "/") {
		s.dirs = append(s.dirs[:0], "CWD "+dir)
	}
}

// LoggedIn reports whether a login is to be repeated.
func (s *State) LoggedIn() bool { return s.loggedIn }

// Before returns the commands to send ahead of the login, Login those of the
// login itself, After those that follow it.
func (s *State) Before() []string {
	return s.lines(func(key string) bool { return key == "HOST" })
}

// Login returns the commands of the login.
func (s *State) Login() []string { return s.login }

// After returns the commands that follow the login: the settings, the way to
// the working directory, and a rename that had begun.
func (s *State) After() []string {
	after := s.lines(func(key string) bool { return key != "HOST" })
	after = append(after, s.dirs...)
	if s.rnfr != "" {
		after = append(after, s.rnfr)
	}
	return after
}

func (s *State) lines(want func(key string) bool) []string {
	var lines []string
	for _, st := range s.settings {
		if want(st.key) {
			lines = append(lines, st.line)
		}
	}
	return lines
}

package ftptest

import (
	"path"
	"strings"
)

// say sends the personality's reply for key. Pairs are placeholders and values
// beyond those of every reply.
func (s *session) say(key string, pairs ...string) {
	s.reply(s.p.text(key, append(pairs, s.vars()...)...))
}

// sayFor sends the reply for verb and outcome, or the one for the outcome alone
// where the verb has none of its own.
func (s *session) sayFor(verb, outcome string, pairs ...string) {
	key := verb + "." + outcome
	if !s.p.has(key) {
		key = outcome
	}
	s.say(key, pairs...)
}

// fail sends the refusal of a command on a file.
func (s *session) fail(verb, arg string, err error) {
	s.sayFor(verb, "failed", "{arg}", arg, "{path}", s.path(arg), "{why}", why(err))
}

// outcome sends the answer to a command on a file.
func (s *session) outcome(verb, arg string, err error) {
	if err != nil {
		s.fail(verb, arg, err)
		return
	}
	if s.cur.Final != "" {
		s.reply(s.cur.Final)
		return
	}
	s.say(verb, "{arg}", arg, "{path}", quoted(s.path(arg)))
}

// vars returns the placeholders of every reply.
func (s *session) vars() []string {
	name, letter := "Binary", "I"
	if s.ascii {
		name, letter = "ASCII", "A"
	}
	return []string{
		"{user}", s.user,
		"{peer}", s.remote.Addr().String(),
		"{local}", s.local.Addr().String(),
		"{cwd}", strings.ReplaceAll(s.cwd, `"`, `""`),
		"{type}", strings.ToUpper(name),
		"{t}", letter,
		"{Type}", name,
	}
}

// path returns the rooted path that an argument means.
func (s *session) path(arg string) string {
	for _, r := range s.p.Files.Strip {
		arg = strings.ReplaceAll(arg, string(r), "")
	}
	if path.IsAbs(arg) {
		return path.Clean(arg)
	}
	return path.Join(s.cwd, arg)
}

// lister lists as the client asked for.
func (s *session) lister() *lister { return &lister{&s.p.Listing, s.srv.Tree, s.facts} }

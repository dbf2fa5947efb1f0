package ftptest

import (
	"strings"
	"time"
)

// Greeting is the name by which a Step refers to the server's first reply.
const Greeting = "greeting"

// Any is the name by which a Step refers to every command.
const Any = "*"

// None leaves a reply out where it is the text of one in a Step.
const None = "-"

// Step overrides how the server answers a command. Of several steps that match,
// the first is taken.
//
// With a Reply or Raw text, or with nothing but Then, the command is not carried
// out. In every other case it is, with the changes that the step names. Texts of
// several lines are separated by "\n"; every line is sent with CRLF.
type Step struct {
	On   string // On is the command's verb, Greeting or Any.
	Nth  int    // Nth is which occurrence is meant, from 1; zero means each.
	Conn int    // Conn is the index of the control connection, from 1; zero means any, and Nth then counts over all.
	Arg  string // Arg is what the command's argument must end with. Nth counts the others too.

	Delay   time.Duration // Delay passes before anything else; the control connection answers nothing meanwhile.
	Before  string        // Before is sent ahead of the answer: a stray reply.
	Reply   string        // Reply is the answer.
	Raw     string        // Raw is sent as the answer byte by byte, with nothing added.
	Endless string        // Endless is sent as it is, again and again, until the connection ends.
	As      string        // As is a command line that is carried out in place of the one received.

	// These concern commands that use a data connection, Final those on a file, too.
	Preliminary string // Preliminary replaces the 150.
	After150    string // After150 is the closing reply, given instead of moving data.
	Final       string // Final replaces the closing reply, or that to a command on a file that has succeeded.
	Early       bool   // Early gives the closing reply before the data is moved.

	Then Ending // Then ends the control connection after the answer.

	// Do is called when the command was carried out or answered, and of a transfer
	// when it has begun: what happens on the server meanwhile.
	Do func()
}

// replaces reports whether the step stands in place of the command.
func (st *Step) replaces() bool {
	if st.Reply != "" || st.Raw != "" || st.Endless != "" {
		return true
	}
	return st.Then != Keep && st.As == "" && !st.transfers()
}

// transfers reports whether the step changes how data is moved.
func (st *Step) transfers() bool {
	return st.Preliminary != "" || st.After150 != "" || st.Final != "" || st.Early
}

// matches reports whether the step is meant for the nth occurrence on its
// connection, which is the total'th on all.
func (st *Step) matches(verb string, conn, nth, total int) bool {
	if st.On == Any && verb == Greeting || st.On != Any && !strings.EqualFold(st.On, verb) {
		return false
	}
	if st.Conn != 0 {
		return st.Conn == conn && (st.Nth == 0 || st.Nth == nth)
	}
	return st.Nth == 0 || st.Nth == total
}

// noStep stands for the absence of a step.
var noStep = new(Step)

// script follows a Server's Script on one control connection.
type script struct {
	seen  map[string]int // commands by verb
	lines int            // commands
}

// step counts an occurrence of verb and returns the step for it.
func (s *script) step(c *control, verb, arg string) *Step {
	own := countVerb(s.seen, verb)
	total := c.srv.rec.occurred(verb)
	for i := range c.srv.Script {
		st := &c.srv.Script[i]
		nth, all := own, total
		if st.On == Any {
			nth, all = s.lines, c.srv.rec.lines()
		}
		if strings.HasSuffix(arg, st.Arg) && st.matches(verb, c.id, nth, all) {
			return st
		}
	}
	return noStep
}

package ftptest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// command is how one verb is carried out.
type command struct {
	run  func(s *session, arg string)
	free bool // it is allowed before login
	arg  bool // it needs an argument
}

// commands are all commands by verb. Some carry out others, so that the map
// cannot be a variable's initial value.
var commands map[string]command

func init() {
	commands = maps.Clone(sessionCommands)
	maps.Copy(commands, fileCommands)
}

// sessionCommands are the commands that concern the session and the data.
var sessionCommands = map[string]command{
	"USER": {run: cmdUser, free: true, arg: true},
	"PASS": {run: cmdPass, free: true},
	"ACCT": {run: fixed("ACCT"), free: true},
	"REIN": {run: cmdRein, free: true},
	"QUIT": {run: cmdQuit, free: true},
	"NOOP": {run: fixed("NOOP"), free: true},
	"SYST": {run: fixed("SYST"), free: true},
	"HELP": {run: fixed("HELP"), free: true},
	"FEAT": {run: cmdFeat, free: true},
	"OPTS": {run: cmdOpts, free: true},
	"CLNT": {run: fixed("CLNT"), free: true},
	"HOST": {run: fixed("HOST"), free: true, arg: true},
	"LANG": {run: fixed("LANG"), free: true},
	"AUTH": {run: cmdAuth, free: true, arg: true},
	"PBSZ": {run: cmdPbsz, free: true},
	"PROT": {run: cmdProt, free: true, arg: true},
	"CCC":  {run: fixed("CCC")},
	"TYPE": {run: cmdType, arg: true},
	"MODE": {run: only("MODE", "S"), arg: true},
	"STRU": {run: only("STRU", "F"), arg: true},
	"ALLO": {run: fixed("ALLO")},
	"ABOR": {run: cmdAbor},
	"REST": {run: cmdRest, arg: true},
	"STAT": {run: cmdStat},
	"SITE": {run: cmdSite, arg: true},
	"PRET": {run: cmdPret, arg: true},
	"PASV": {run: cmdPasv},
	"EPSV": {run: cmdEpsv},
	"PORT": {run: cmdPort, arg: true},
	"EPRT": {run: cmdEprt, arg: true},
	"RETR": {run: cmdRetr, arg: true},
	"STOR": {run: cmdStor, arg: true},
	"APPE": {run: cmdAppe, arg: true},
	"STOU": {run: cmdStou},
	"LIST": {run: cmdList},
	"NLST": {run: cmdNlst},
	"MLSD": {run: cmdMlsd},
	"MLST": {run: cmdMlst},
}

// aliases are the names of RFC 775 and the like.
var aliases = map[string]string{
	"XPWD": "PWD", "XCWD": "CWD", "XCUP": "CDUP", "XMKD": "MKD", "XRMD": "RMD",
}

// dataSetup are the commands that give up the data connection there was.
var dataSetup = []string{"PASV", "EPSV", "PORT", "EPRT"}

// exec carries out one command.
func exec(s *session, verb, arg string) {
	if name, ok := aliases[verb]; ok {
		verb = name
	}
	cmd, ok := commands[verb]
	switch {
	case !ok || slices.Contains(s.p.Missing, verb):
		s.say("unknown", "{verb}", verb)
	case !cmd.free && !s.loggedIn:
		s.say("login")
	case slices.Contains(s.p.Denied, verb):
		s.say("denied")
	case cmd.arg && arg == "":
		s.say("syntax")
	case s.epsvAll && verb != "EPSV" && slices.Contains(dataSetup, verb):
		s.say("EPSV.only", "{verb}", verb)
	default:
		cmd.run(s, arg)
	}
}

// fixed returns a command with one answer.
func fixed(key string) func(*session, string) {
	return func(s *session, _ string) { s.say(key) }
}

// only returns a command that takes one argument alone.
func only(key, value string) func(*session, string) {
	return func(s *session, arg string) {
		if !strings.EqualFold(arg, value) {
			s.say(key + ".bad")
			return
		}
		s.say(key)
	}
}

func cmdUser(s *session, arg string) {
	if s.srv.RequireTLS && s.conn == s.wire {
		s.say("tls.login")
		return
	}
	s.loggedIn, s.user = s.p.NoPass, arg
	s.say("USER")
}

func cmdPass(s *session, arg string) {
	if s.user == "" {
		s.say("PASS.early")
		return
	}
	want, known := s.srv.Users[s.user]
	if s.srv.Users != nil && (!known || want != arg) {
		s.user = ""
		s.say("PASS.bad")
		return
	}
	s.loggedIn = true
	s.srv.rec.tally(func(c *Counters) { c.Logins++ })
	s.say("PASS")
}

func cmdRein(s *session, _ string) {
	s.dropData()
	s.state = newState()
	s.say("REIN")
}

func cmdQuit(s *session, _ string) {
	s.say("QUIT")
	s.quit = true
}

func cmdFeat(s *session, _ string) {
	if s.p.Features == nil {
		s.say("unknown", "{verb}", "FEAT")
		return
	}
	lines := []string{s.p.text("FEAT.head")}
	for _, f := range s.p.Features {
		verb, _, _ := strings.Cut(f, " ")
		switch {
		case s.tlsConf == nil && slices.Contains([]string{"AUTH", "PBSZ", "PROT", "CCC"}, verb):
			continue
		case f == "MLST":
			f = "MLST " + factsOffered(s.facts)
		}
		lines = append(lines, " "+f)
	}
	s.reply(strings.Join(append(lines, s.p.text("FEAT.tail")), "\n"))
}

// factsOffered lists the facts of machine listings; a star marks those in use.
func factsOffered(use []string) string {
	var b strings.Builder
	for _, fact := range defaultFacts {
		b.WriteString(fact)
		if slices.Contains(use, fact) {
			b.WriteByte('*')
		}
		b.WriteByte(';')
	}
	return b.String()
}

func cmdOpts(s *session, arg string) {
	name, value, _ := strings.Cut(arg, " ")
	switch {
	case strings.EqualFold(name, "UTF8"):
		s.say("OPTS.UTF8")
	case strings.EqualFold(name, "MLST") && !slices.Contains(s.p.Missing, "MLST"):
		s.facts = nil
		for fact := range strings.SplitSeq(value, ";") {
			i := slices.IndexFunc(defaultFacts, func(f string) bool { return strings.EqualFold(f, fact) })
			if i >= 0 {
				s.facts = append(s.facts, defaultFacts[i])
			}
		}
		s.say("OPTS.MLST", "{arg}", strings.Join(append(slices.Clone(s.facts), ""), ";"))
	default:
		s.say("OPTS")
	}
}

func cmdType(s *session, arg string) {
	switch strings.ToUpper(arg) {
	case "A", "A N":
		s.ascii = true
	case "I", "L 8":
		s.ascii = false
	default:
		s.say("TYPE.bad")
		return
	}
	s.say("TYPE")
}

func cmdAbor(s *session, _ string) {
	if s.xfer == nil {
		s.say("ABOR")
		return
	}
	s.xfer.abort(false)
	<-s.xfer.done
	s.say("ABOR.done")
}

func cmdAuth(s *session, arg string) {
	switch {
	case s.tlsConf == nil || s.conn != s.wire:
		s.say("AUTH.none")
		return
	case !strings.EqualFold(arg, "TLS") && !strings.EqualFold(arg, "TLS-C") && !strings.EqualFold(arg, "SSL"):
		s.say("AUTH.bad")
		return
	}
	s.say("AUTH")
	if s.startTLS() != nil {
		s.quit = true
		return
	}
	s.state = newState()
}

func cmdPbsz(s *session, _ string) {
	if s.conn == s.wire {
		s.say("PBSZ.early")
		return
	}
	s.pbsz = true
	s.say("PBSZ")
}

func cmdProt(s *session, arg string) {
	level := strings.ToUpper(arg)
	switch {
	case !s.pbsz:
		s.say("PROT.early")
	case level != "P" && level != "C":
		s.say("PROT.bad")
	default:
		s.private = level == "P"
		s.say("PROT." + level)
	}
}

// timestamp is the layout of times in MDTM, MFMT and the facts.
const timestamp = "20060102150405"

// parseTime reads a timestamp, with or without a fraction.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(timestamp, text)
	return t, err == nil
}

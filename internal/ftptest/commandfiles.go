package ftptest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// fileCommands are the commands that concern files and move no data.
var fileCommands = map[string]command{
	"PWD":     {run: fixed("PWD")},
	"CWD":     {run: cmdCwd, arg: true},
	"CDUP":    {run: func(s *session, _ string) { cmdCwd(s, "..") }},
	"MKD":     {run: cmdMkd, arg: true},
	"RMD":     {run: cmdRmd, arg: true},
	"DELE":    {run: cmdDele, arg: true},
	"RNFR":    {run: cmdRnfr, arg: true},
	"RNTO":    {run: cmdRnto, arg: true},
	"SIZE":    {run: cmdSize, arg: true},
	"MDTM":    {run: cmdMdtm, arg: true},
	"MFMT":    {run: cmdMfmt, arg: true},
	"HASH":    {run: digest("HASH", sha256.New), arg: true},
	"XSHA256": {run: digest("XHASH", sha256.New), arg: true},
	"XMD5":    {run: digest("XHASH", md5.New), arg: true},
	"XCRC":    {run: digest("XHASH", func() hash.Hash { return crc32.NewIEEE() }), arg: true},
}

// quoted doubles the quotes of a path in a 257 reply.
func quoted(name string) string { return strings.ReplaceAll(name, `"`, `""`) }

// why words an error as an operating system does.
func why(err error) string {
	switch {
	case errors.Is(err, errNotEmpty):
		return "Directory not empty"
	case errors.Is(err, errIsDir):
		return "Is a directory"
	case errors.Is(err, errNotDir):
		return "Not a directory"
	case errors.Is(err, fs.ErrNotExist):
		return "No such file or directory"
	case errors.Is(err, fs.ErrExist):
		return "File exists"
	case errors.Is(err, fs.ErrPermission):
		return "Permission denied"
	}
	return "Invalid argument"
}

func cmdCwd(s *session, arg string) {
	info, err := s.srv.Tree.Stat(s.path(arg))
	if err == nil && !info.IsDir() {
		err = fs.ErrNotExist
	}
	if err == nil {
		s.cwd = s.path(arg)
	}
	s.outcome("CWD", arg, err)
}

func cmdMkd(s *session, arg string) {
	s.outcome("MKD", arg, s.srv.Tree.Mkdir(s.path(arg), 0o755))
}

func cmdRmd(s *session, arg string) {
	if s.p.Files.RMDAll {
		s.srv.Tree.empty(s.path(arg))
	}
	s.outcome("RMD", arg, s.srv.Tree.removeKind(s.path(arg), true))
}

func cmdDele(s *session, arg string) {
	s.outcome("DELE", arg, s.srv.Tree.removeKind(s.path(arg), false))
}

func cmdRnfr(s *session, arg string) {
	_, err := s.srv.Tree.Lstat(s.path(arg))
	if err == nil {
		s.rnfr = s.path(arg)
	}
	s.outcome("RNFR", arg, err)
}

func cmdRnto(s *session, arg string) {
	if s.rnfr == "" {
		s.say("RNTO.early")
		return
	}
	from := s.rnfr
	s.rnfr = ""
	s.outcome("RNTO", arg, s.srv.Tree.Rename(from, s.path(arg)))
}

func cmdSize(s *session, arg string) {
	info, err := s.srv.Tree.Stat(s.path(arg))
	switch {
	case s.ascii && !s.p.Files.SizeInASCII:
		s.say("SIZE.ascii")
	case err == nil && info.IsDir() && !s.p.Files.SizeDirs:
		s.fail("SIZE", arg, fs.ErrInvalid)
	case err != nil:
		s.fail("SIZE", arg, err)
	default:
		s.say("SIZE", "{size}", strconv.FormatInt(info.Size(), 10))
	}
}

func cmdMdtm(s *session, arg string) {
	if stamp, name, ok := strings.Cut(arg, " "); ok && s.p.Files.MDTMWrite {
		if mod, ok := parseTime(stamp); ok {
			setTime(s, "MDTM", "MDTM.set", name, mod)
			return
		}
	}
	info, err := s.srv.Tree.Stat(s.path(arg))
	if err != nil {
		s.fail("MDTM", arg, err)
		return
	}
	s.say("MDTM", "{time}", info.ModTime().UTC().Format(timestamp))
}

func cmdMfmt(s *session, arg string) {
	stamp, name, _ := strings.Cut(arg, " ")
	mod, ok := parseTime(stamp)
	if !ok || name == "" {
		s.say("syntax")
		return
	}
	setTime(s, "MFMT", "MFMT", name, mod)
}

// setTime changes a modification time and answers with the given key.
func setTime(s *session, verb, key, name string, mod time.Time) {
	if err := s.srv.Tree.Chtimes(s.path(name), mod); err != nil {
		s.fail(verb, name, err)
		return
	}
	s.say(key, "{time}", mod.Format(timestamp), "{arg}", name, "{path}", s.path(name))
}

// digest returns a command that answers with a digest of a file.
func digest(key string, sum func() hash.Hash) func(*session, string) {
	return func(s *session, arg string) {
		r, err := s.srv.Tree.open(s.path(arg))
		if err != nil {
			s.fail(key, arg, err)
			return
		}
		h := sum()
		_, _ = io.Copy(h, r) // memory does not fail
		s.say(key, "{hash}", hex.EncodeToString(h.Sum(nil)), "{arg}", arg, "{size}", strconv.FormatInt(r.Size(), 10))
	}
}

func cmdSite(s *session, arg string) {
	words := strings.SplitN(arg, " ", 3)
	switch {
	case len(words) == 3 && strings.EqualFold(words[0], "CHMOD"):
		perm, err := strconv.ParseUint(words[1], 8, 12)
		if err != nil {
			s.say("syntax")
			return
		}
		s.outcome("CHMOD", words[2], s.srv.Tree.Chmod(s.path(words[2]), fs.FileMode(perm)))
	case len(words) == 3 && strings.EqualFold(words[0], "UTIME"):
		mod, ok := parseTime(words[1])
		if !ok {
			s.say("syntax")
			return
		}
		setTime(s, "UTIME", "UTIME", words[2], mod)
	default:
		s.say("SITE.bad")
	}
}

func cmdRest(s *session, arg string) {
	n, err := strconv.ParseInt(arg, 10, 63)
	if err != nil || n < 0 {
		s.say("syntax")
		return
	}
	s.rest = n
	s.say("REST", "{n}", strconv.FormatInt(n, 10))
}

// takeRest returns the restart position for one transfer.
func takeRest(s *session) int64 {
	n := s.rest
	if !s.p.Files.RestPersists {
		s.rest = 0
	}
	return n
}

// removeKind removes a directory, or something else, as asked.
func (t *Tree) removeKind(name string, dir bool) error {
	return t.change("remove", name, func() error {
		return t.remove(name, func(mode fs.FileMode) error {
			switch {
			case mode.IsDir() && !dir:
				return errIsDir
			case !mode.IsDir() && dir:
				return errNotDir
			}
			return nil
		})
	})
}

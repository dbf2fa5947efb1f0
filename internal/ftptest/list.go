package ftptest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultFacts are the facts of MLSD and MLST, in the order they are sent.
var defaultFacts = []string{"type", "size", "modify", "UNIX.mode", "UNIX.owner", "UNIX.group", "unique"}

// recent is the age up to which ls shows the time of day instead of the year.
const recent = 182 * 24 * time.Hour

// listArg tells the options of ls from the name in the argument of LIST.
func (s *session) listArg(arg string) (options, name string) {
	for s.p.ListOptions && strings.HasPrefix(arg, "-") {
		word, rest, _ := strings.Cut(arg, " ")
		options += word[1:]
		arg = strings.TrimLeft(rest, " ")
	}
	if s.p.NoListArg {
		arg = ""
	}
	return options, arg
}

// entries lists what name means: a directory, a file, or a pattern.
func (s *session) entries(name string, all bool) ([]Info, error) {
	tree, full := s.srv.Tree, s.path(name)
	info, err := tree.Stat(full)
	if link, lerr := tree.Lstat(full); err != nil && lerr == nil {
		info, err = link, nil
	}
	switch {
	case err == nil && info.IsDir():
		return s.visible(full, all)
	case err == nil:
		info.name = name
		return []Info{info}, nil
	case !s.p.Glob || !strings.ContainsAny(name, "*?["):
		return nil, err
	}
	list, err := s.visible(path.Dir(full), all)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(i Info) bool {
		ok, err := path.Match(path.Base(full), i.name)
		return err != nil || !ok
	}), nil
}

// visible lists a directory; all adds the names with a leading dot.
func (s *session) visible(dir string, all bool) ([]Info, error) {
	list, err := s.listable(dir)
	if err != nil {
		return nil, err
	}
	if all || s.p.ShowHidden {
		if all && s.p.DotDirs {
			list = slices.Concat(s.dots(dir), list)
		}
		return list, nil
	}
	return slices.DeleteFunc(list, func(i Info) bool { return strings.HasPrefix(i.name, ".") }), nil
}

// listable returns what listings of a directory show.
func (s *session) listable(dir string) ([]Info, error) {
	info, err := s.srv.Tree.Stat(dir)
	if err == nil && s.p.Modes && info.Mode().Perm()&0o400 == 0 {
		return nil, fs.ErrPermission
	}
	list, err := s.srv.Tree.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(i Info) bool {
		return slices.ContainsFunc(s.p.Hide, func(pattern string) bool {
			ok, err := path.Match(pattern, i.name)
			return err == nil && ok
		})
	}), nil
}

// dots describes a directory and the one above it under their dotted names.
func (s *session) dots(dir string) []Info {
	var list []Info
	for i, at := range []string{dir, path.Dir(dir)} {
		if info, err := s.srv.Tree.Stat(at); err == nil {
			info.name = ".."[:i+1]
			list = append(list, info)
		}
	}
	return list
}

// line formats one entry of LIST.
func (s *session) line(i Info) string {
	if s.p.DOSDate != "" {
		size := fmt.Sprintf("%20d", i.size)
		if i.IsDir() {
			size = fmt.Sprintf("%-20s", "      <DIR>")
		}
		return i.mod.UTC().Format(s.p.DOSDate) + " " + size + " " + i.name
	}
	name, links := i.name, 1
	if i.Type() == fs.ModeSymlink {
		name += " -> " + i.Target
	}
	if i.IsDir() {
		links = 2
	}
	date := i.mod.UTC().Format("Jan _2  2006")
	if age := time.Since(i.mod); age > -time.Hour && age < recent {
		date = i.mod.UTC().Format("Jan _2 15:04")
	}
	return fmt.Sprintf("%s %4d %-8s %-8s %8d %s %s", unixMode(i.mode), links, i.Owner, i.Group, i.size, date, name)
}

// unixMode formats a mode as ls does.
func unixMode(mode fs.FileMode) string {
	kind := "-"
	switch {
	case mode.IsDir():
		kind = "d"
	case mode.Type() == fs.ModeSymlink:
		kind = "l"
	}
	return kind + mode.Perm().String()[1:]
}

// cut applies the server's bound on listings.
func (s *session) cut(list []Info) (short []Info, truncated bool) {
	if n := s.srv.MaxListing; n > 0 && len(list) > n {
		return list[:n], true
	}
	return list, false
}

// sendList sends a listing over a data connection.
func (s *session) sendList(verb, arg string, list []Info, format func(Info) string) {
	list, truncated := s.cut(list)
	var lines []string
	for _, i := range list {
		lines = append(lines, format(i))
	}
	if s.srv.EditList != nil {
		_, name := s.listArg(arg)
		lines = s.srv.EditList(s.path(name), lines)
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	body := b.String()
	if s.srv.Personality.OpenEnd {
		body = strings.TrimSuffix(body, "\r\n")
	}
	t := s.moving(verb, arg, int64(len(body)))
	t.vars = append(t.vars, "{n}", strconv.Itoa(len(list)))
	t.list, t.truncated, t.send = true, truncated, strings.NewReader(body)
	t.unreadable, s.unreadable = s.unreadable, false
	s.startTransfer(t)
}

// listed finds the entries for an argument, or refuses; missing names may be empty.
func (s *session) listed(verb, arg string) ([]Info, bool) {
	options, name := s.listArg(arg)
	list, err := s.entries(name, strings.ContainsAny(options, "aA"))
	s.unreadable = errors.Is(err, fs.ErrPermission) && s.p.has("list.unreadable")
	if err != nil && !s.p.EmptyMissing && !s.unreadable {
		s.fail(verb, name, err)
		return nil, false
	}
	return list, true
}

func (s *session) cmdList(arg string) {
	if list, ok := s.listed("LIST", arg); ok {
		s.sendList("LIST", arg, list, s.line)
	}
}

func (s *session) cmdNlst(arg string) {
	if list, ok := s.listed("NLST", arg); ok {
		s.sendList("NLST", arg, list, Info.Name)
	}
}

// facts formats the facts of one entry that the client asked for.
func (s *session) factsOf(i Info, kind string) string {
	values := map[string]string{
		"type": kind, "modify": i.mod.UTC().Format(timestamp),
		"UNIX.mode": fmt.Sprintf("0%o", i.mode.Perm()), "UNIX.owner": i.Owner, "UNIX.group": i.Group,
		"unique": fmt.Sprintf("1U%x", i.id),
	}
	if !i.IsDir() {
		values["size"] = strconv.FormatInt(i.size, 10)
	}
	var b strings.Builder
	for _, fact := range s.facts {
		if v, ok := values[fact]; ok {
			b.WriteString(fact + "=" + v + ";")
		}
	}
	return b.String()
}

// machine formats one entry of dir for MLSD.
func (s *session) machine(dir string, i Info) string {
	kind := "file"
	switch {
	case i.Type() == fs.ModeSymlink && s.p.LinkType != "":
		kind = strings.ReplaceAll(s.p.LinkType, "{target}", i.Target)
	case i.Type() == fs.ModeSymlink:
		if to, err := s.srv.Tree.Stat(path.Join(dir, i.name)); err == nil {
			to.name = i.name
			return s.machine(dir, to)
		}
	case i.name == ".":
		kind = "cdir"
	case i.name == "..":
		kind = "pdir"
	case i.IsDir():
		kind = "dir"
	}
	return s.factsOf(i, kind) + " " + i.name
}

func (s *session) cmdMlsd(arg string) {
	dir := s.path(arg)
	list, err := s.listable(dir)
	if err != nil {
		s.fail("MLSD", arg, err)
		return
	}
	if s.p.MachineDots {
		list = slices.Concat(s.dots(dir), list)
	}
	s.sendList("MLSD", arg, list, func(i Info) string { return s.machine(dir, i) })
}

func (s *session) cmdMlst(arg string) {
	full := s.path(arg)
	info, err := s.srv.Tree.Lstat(full)
	if err != nil {
		s.fail("MLST", arg, err)
		return
	}
	line := s.machine(path.Dir(full), info)
	facts := strings.TrimSuffix(line, " "+info.name)
	head := s.p.text("MLST.head", "{arg}", arg)
	s.reply(head + "\n " + facts + " " + full + "\n" + s.p.text("MLST.tail"))
}

// cmdStat answers with the state of the session, or lists on the control connection.
func (s *session) cmdStat(arg string) {
	if arg == "" {
		s.say("STAT")
		return
	}
	options, name := s.listArg(arg)
	list, err := s.entries(name, s.p.DotDirs || strings.ContainsAny(options, "aA"))
	if err != nil && !s.p.EmptyMissing {
		s.fail("STAT", name, err)
		return
	}
	list, _ = s.cut(list)
	vars := []string{"{arg}", arg, "{path}", s.path(name)}
	var body []string
	for _, i := range list {
		body = append(body, s.p.StatIndent+s.line(i))
	}
	if s.srv.EditStat != nil {
		body = s.srv.EditStat(s.path(name), body)
	}
	lines := slices.Concat([]string{s.p.text("STAT.head", vars...)}, body, []string{s.p.text("STAT.tail", vars...)})
	s.reply(strings.Join(lines, "\n"))
}

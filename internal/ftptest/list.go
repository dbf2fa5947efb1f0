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

// argument tells the options of ls from the name in the argument of LIST.
func (h *ListingHabits) argument(arg string) (options, name string) {
	for h.Options && strings.HasPrefix(arg, "-") {
		word, rest, _ := strings.Cut(arg, " ")
		options += word[1:]
		arg = strings.TrimLeft(rest, " ")
	}
	if h.NoArg {
		arg = ""
	}
	return options, arg
}

// lister makes the listings of a tree.
type lister struct {
	*ListingHabits
	tree  *Tree
	facts []string // of MLSD and MLST
}

// entries lists what name means: a directory, a file, or a pattern. Full is its
// rooted path.
func (l *lister) entries(name, full string, all bool) ([]Info, error) {
	info, err := l.tree.Stat(full)
	if link, lerr := l.tree.Lstat(full); err != nil && lerr == nil {
		info, err = link, nil
	}
	switch {
	case err == nil && info.IsDir():
		return l.visible(full, all)
	case err == nil:
		info.name = name
		return []Info{info}, nil
	case !l.Glob || !strings.ContainsAny(name, "*?["):
		return nil, err
	}
	list, err := l.visible(path.Dir(full), all)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(i Info) bool {
		ok, err := path.Match(path.Base(full), i.name)
		return err != nil || !ok
	}), nil
}

// visible lists a directory; all adds the names with a leading dot.
func (l *lister) visible(dir string, all bool) ([]Info, error) {
	list, err := l.listable(dir)
	if err != nil {
		return nil, err
	}
	if all || l.ShowHidden {
		if all && l.DotDirs {
			list = slices.Concat(l.dots(dir), list)
		}
		return list, nil
	}
	return slices.DeleteFunc(list, func(i Info) bool { return strings.HasPrefix(i.name, ".") }), nil
}

// listable returns what listings of a directory show.
func (l *lister) listable(dir string) ([]Info, error) {
	info, err := l.tree.Stat(dir)
	if err == nil && l.Modes && info.Mode().Perm()&0o400 == 0 {
		return nil, fs.ErrPermission
	}
	list, err := l.tree.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(i Info) bool {
		return slices.ContainsFunc(l.Hide, func(pattern string) bool {
			ok, err := path.Match(pattern, i.name)
			return err == nil && ok
		})
	}), nil
}

// dots describes a directory and the one above it under their dotted names.
func (l *lister) dots(dir string) []Info {
	var list []Info
	for i, at := range []string{dir, path.Dir(dir)} {
		if info, err := l.tree.Stat(at); err == nil {
			info.name = ".."[:i+1]
			list = append(list, info)
		}
	}
	return list
}

// line formats one entry of LIST.
func (l *lister) line(i Info) string {
	if l.DOSDate != "" {
		size := fmt.Sprintf("%20d", i.size)
		if i.IsDir() {
			size = fmt.Sprintf("%-20s", "      <DIR>")
		}
		return i.mod.UTC().Format(l.DOSDate) + " " + size + " " + i.name
	}
	name, links := i.name, 1
	if i.Type() == fs.ModeSymlink {
		name += " -> " + i.Target
	}
	if i.IsDir() {
		links = 2
	}
	date := i.mod.UTC().Format("Jan _2  2006")
	if age := time.Since(i.mod); l.NoYears || age > -time.Hour && age < recent {
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
func (l *Limits) cut(list []Info) (short []Info, truncated bool) {
	if n := l.MaxListing; n > 0 && len(list) > n {
		return list[:n], true
	}
	return list, false
}

// sendList sends a listing over a data connection.
func sendList(s *session, verb, arg string, list []Info, format func(Info) string) {
	list, truncated := s.srv.Limits.cut(list)
	var lines []string
	for _, i := range list {
		lines = append(lines, format(i))
	}
	if s.srv.EditList != nil {
		_, name := s.p.Listing.argument(arg)
		lines = s.srv.EditList(s.path(name), lines)
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	body := b.String()
	if s.p.Listing.OpenEnd {
		body = strings.TrimSuffix(body, "\r\n")
	}
	t := moving(s, verb, arg, int64(len(body)))
	t.vars = append(t.vars, "{n}", strconv.Itoa(len(list)))
	t.list, t.truncated, t.send = true, truncated, strings.NewReader(body)
	t.unreadable, s.unreadable = s.unreadable, false
	t.start(s)
}

// listed finds the entries for an argument, or refuses; missing names may be empty.
func listed(s *session, verb, arg string) ([]Info, bool) {
	options, name := s.p.Listing.argument(arg)
	list, err := s.lister().entries(name, s.path(name), strings.ContainsAny(options, "aA"))
	s.unreadable = errors.Is(err, fs.ErrPermission) && s.p.has("list.unreadable")
	if err != nil && !s.p.Listing.EmptyMissing && !s.unreadable {
		s.fail(verb, name, err)
		return nil, false
	}
	return list, true
}

func cmdList(s *session, arg string) {
	if list, ok := listed(s, "LIST", arg); ok {
		sendList(s, "LIST", arg, list, s.lister().line)
	}
}

func cmdNlst(s *session, arg string) {
	if list, ok := listed(s, "NLST", arg); ok {
		sendList(s, "NLST", arg, list, Info.Name)
	}
}

// factsOf formats the facts of one entry that the client asked for.
func (l *lister) factsOf(i Info, kind string) string {
	values := map[string]string{
		"type": kind, "modify": i.mod.UTC().Format(timestamp),
		"UNIX.mode": fmt.Sprintf("0%o", i.mode.Perm()), "UNIX.owner": i.Owner, "UNIX.group": i.Group,
		"unique": fmt.Sprintf("1U%x", i.id),
	}
	if !i.IsDir() {
		values["size"] = strconv.FormatInt(i.size, 10)
	}
	var b strings.Builder
	for _, fact := range l.facts {
		if v, ok := values[fact]; ok {
			b.WriteString(fact + "=" + v + ";")
		}
	}
	return b.String()
}

// machine formats one entry of dir for MLSD.
func (l *lister) machine(dir string, i Info) string {
	kind := "file"
	switch {
	case i.Type() == fs.ModeSymlink && l.LinkType != "":
		kind = strings.ReplaceAll(l.LinkType, "{target}", i.Target)
	case i.Type() == fs.ModeSymlink:
		if to, err := l.tree.Stat(path.Join(dir, i.name)); err == nil {
			to.name = i.name
			return l.machine(dir, to)
		}
	case i.name == ".":
		kind = "cdir"
	case i.name == "..":
		kind = "pdir"
	case i.IsDir():
		kind = "dir"
	}
	return l.factsOf(i, kind) + " " + i.name
}

func cmdMlsd(s *session, arg string) {
	dir := s.path(arg)
	l := s.lister()
	list, err := l.listable(dir)
	if err != nil {
		s.fail("MLSD", arg, err)
		return
	}
	if l.MachineDots {
		list = slices.Concat(l.dots(dir), list)
	}
	sendList(s, "MLSD", arg, list, func(i Info) string { return l.machine(dir, i) })
}

func cmdMlst(s *session, arg string) {
	full := s.path(arg)
	info, err := s.srv.Tree.Lstat(full)
	if err != nil {
		s.fail("MLST", arg, err)
		return
	}
	line := s.lister().machine(path.Dir(full), info)
	facts := strings.TrimSuffix(line, " "+info.name)
	head := s.p.text("MLST.head", "{arg}", arg)
	s.reply(head + "\n " + facts + " " + full + "\n" + s.p.text("MLST.tail"))
}

// cmdStat answers with the state of the session, or lists on the control connection.
func cmdStat(s *session, arg string) {
	if arg == "" {
		s.say("STAT")
		return
	}
	options, name := s.p.Listing.argument(arg)
	l := s.lister()
	list, err := l.entries(name, s.path(name), l.DotDirs || strings.ContainsAny(options, "aA"))
	if err != nil && !l.EmptyMissing {
		s.fail("STAT", name, err)
		return
	}
	list, _ = s.srv.Limits.cut(list)
	vars := []string{"{arg}", arg, "{path}", s.path(name)}
	var body []string
	for _, i := range list {
		body = append(body, l.StatIndent+l.line(i))
	}
	if s.srv.EditStat != nil {
		body = s.srv.EditStat(s.path(name), body)
	}
	lines := slices.Concat([]string{s.p.text("STAT.head", vars...)}, body, []string{s.p.text("STAT.tail", vars...)})
	s.reply(strings.Join(lines, "\n"))
}

//go:build linux

package trips

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/delay"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// program is a client that is a program of this machine.
type program struct {
	name     string
	identify []string
	pattern  *regexp.Regexp // its first group is the version in what identify prints

	// argv is how a user would have it do the row; nil means that it cannot.
	argv func(work) []string
	// line reads a line that a walk has printed; nil means that it is a name.
	line func(string) string
}

// work is what a program is to do.
type work struct {
	place *Place
	row   Row
	files []string
	roots string // the file with the certificates to trust; empty for clear text
}

//go:embed ftplib.py
var ftplibScript string

func programs() []Contender {
	var all []Contender
	for _, p := range []program{
		{name: "curl", identify: []string{"curl", "--version"}, pattern: regexp.MustCompile(`^curl (\S+)`), argv: curl},
		{name: "lftp", identify: []string{"lftp", "--version"}, pattern: regexp.MustCompile(`Version (\S+)`), argv: lftp, line: lftpLine},
		{name: "ftplib", identify: []string{peer.Python, "--version"}, pattern: regexp.MustCompile(`^(Python \S+)`), argv: ftplib},
	} {
		all = append(all, Contender{Name: p.name, Version: p.version, Measure: p.measure})
	}
	return all
}

func curl(w work) []string {
	if w.row.walks() {
		return nil
	}
	argv := []string{"curl", "-sS", "--fail-early"}
	if w.row.Active {
		argv = append(argv, "--ftp-port", "-")
	}
	if w.roots != "" {
		argv = append(argv, "--ssl-reqd", "--tlsv1.3", "--cacert", w.roots)
	}
	if w.row.Conns > 1 {
		argv = append(argv, "--parallel", "--parallel-max", fmt.Sprint(w.row.Conns))
	}
	if w.row.Action == client.Write {
		return append(argv, "-T", "{"+strings.Join(w.files, ",")+"}", w.place.URL(""))
	}
	argv = append(argv, "--remote-name-all")
	for _, name := range w.files {
		argv = append(argv, w.place.URL(name))
	}
	return argv
}

func lftp(w work) []string {
	s := w.place.Server
	lines := []string{"set net:max-retries 1", "set net:timeout 20", "set cmd:fail-exit yes"}
	if w.roots != "" {
		lines = append(lines, "set ftp:ssl-force yes", "set ftp:ssl-protect-data yes", "set ssl:ca-file "+w.roots)
	}
	if w.row.Active {
		lines = append(lines, "set ftp:passive-mode no")
	}
	lines = append(lines, fmt.Sprintf("open -u %s,%s %s", s.User, s.Password, w.place.Addr()))
	files := strings.Join(w.files, " ")
	switch {
	case w.row.Action == client.Walk:
		lines = append(lines, "set ftp:list-options -a", "find "+tree)
	case w.row.Action == client.Write:
		lines = append(lines, "put "+files)
	case w.row.Conns > 1:
		lines = append(lines, fmt.Sprintf("mirror -r --parallel=%d -i '^(%s)$'", w.row.Conns, strings.Join(w.files, "|")))
	default:
		lines = append(lines, "get "+files)
	}
	return []string{"lftp", "-c", strings.Join(lines, "; ")}
}

// lftpLine reads "tree/d00/".
func lftpLine(line string) string {
	name := strings.TrimPrefix(strings.TrimSuffix(line, "/"), tree)
	return cmp.Or(strings.TrimPrefix(name, "/"), ".")
}

func ftplib(w work) []string {
	o := map[string]any{
		"host": w.place.Addr(), "user": w.place.Server.User, "password": w.place.Server.Password,
		"roots": w.roots, "active": w.row.Active, "conns": w.row.Conns,
		"upload": w.row.Action == client.Write, "files": w.files,
		"walk": "", "mlsd": w.place.Kind != servers.Vsftpd,
	}
	if w.row.walks() {
		o["walk"], o["conns"] = tree, 1
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic("trips: " + err.Error())
	}
	return []string{peer.Python, "-I", "-c", ftplibScript, string(text)}
}

func (p program) version(ctx context.Context) (string, error) {
	return peer.ProgramVersion(exec.CommandContext(ctx, p.identify[0], p.identify[1:]...), p.pattern)
}

// measure runs the program in a folder of its own.
func (p program) measure(ctx context.Context, place *Place, row Row) (_ Figure, err error) {
	if row.Library {
		return Figure{}, ErrNone
	}
	folder, err := os.MkdirTemp("", "ftpnat-lab-trips-")
	if err != nil {
		return Figure{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	files, warm := row.names()
	files = slices.Concat(warm, files)
	w := work{place: place, row: row, files: files}
	if place.TLS != nil {
		w.roots = filepath.Join(folder, "roots.pem")
		if err := os.WriteFile(w.roots, place.TLS.CertPEM, 0o644); err != nil {
			return Figure{}, err
		}
	}
	argv := p.argv(w)
	if argv == nil {
		return Figure{}, ErrNone
	}
	if err := place.prepare(folder, row, files); err != nil {
		return Figure{}, err
	}
	if err := place.begin(ctx); err != nil {
		return Figure{}, err
	}
	out, err := execute(ctx, place, folder, argv)
	end := delay.Now()
	if err != nil {
		return Figure{}, fmt.Errorf("%s: %w", p.name, err)
	}
	from, to, err := span(place.Wire.Record(), row, len(files), end)
	if err != nil {
		return Figure{}, fmt.Errorf("%s: %w", p.name, err)
	}
	f, err := place.figure(row, from, to)
	return f.over(row.per()), cmp.Or(err, p.check(place, row, folder, files, out))
}

// span is the time that counts of a program's: from its first packet to its
// end; or, where the figure is that of a file in a session that is up, from the
// data connection of the first file to that of the last.
func span(record delay.Record, row Row, files int, end time.Duration) (from, to time.Duration, err error) {
	from, ok := record.Start()
	if !ok {
		return 0, 0, errors.New("nothing has crossed the wire")
	}
	if !row.PerFile {
		return from, end, nil
	}
	data := record.Data(controlPort)
	if len(data) != files {
		return 0, 0, fmt.Errorf("%d data connections for %d files", len(data), files)
	}
	return data[0], data[files-1], nil
}

// prepare lays out what is uploaded and forgets what was.
func (p *Place) prepare(folder string, row Row, files []string) error {
	if row.Action != client.Write {
		return nil
	}
	for _, name := range files {
		if err := os.WriteFile(filepath.Join(folder, name), small(name), 0o644); err != nil {
			return err
		}
	}
	return p.forget(files, row)
}

// check compares what the program has done with what it was to do.
func (p program) check(place *Place, row Row, folder string, files []string, out string) error {
	if !row.walks() {
		if row.Action == client.Write {
			folder = place.Server.Root
		}
		return checkFiles(folder, files, small)
	}
	var names []string
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if p.line != nil {
			name = p.line(name)
		}
		names = append(names, name)
	}
	return checkTree(names, false)
}

// execute runs a program on the client's host.
func execute(ctx context.Context, place *Place, folder string, argv []string) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := place.Pair.Client.Command(ctx, argv[0], argv[1:]...)
	peer.House(cmd, folder)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, lastLine(stderr.String()))
	}
	return stdout.String(), nil
}

// lastLine is the one in which programs say what was wrong.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

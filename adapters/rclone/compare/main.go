//go:build linux

// Compare measures the backend ftpnat beside rclone's own ftp backend, on servers of
// Debian on this machine, and prints a table. It needs root and what lab/install.sh
// installs, and for some of the rows Debian's packages fuse3 and restic.
//
//	cd adapters/rclone && GOWORK=off go run ./compare >../../docs/rclone.md
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpdaemon"
)

var (
	servers  = flag.String("servers", "pure-ftpd,vsftpd", "the servers, of "+strings.Join(ftpdaemon.Names, ", "))
	files    = flag.Int("files", 1000, "number of files to synchronize, of 1 to 16 KiB, 100 to a directory")
	bigSize  = flag.Int64("big", 1<<30, "size of the big file in bytes")
	times    = flag.Int("times", 2, "how often the steps with small files are taken without cuts; the shortest counts")
	limit    = flag.Duration("limit", 2*time.Minute, "longest time of a step")
	meanData = flag.Float64("cut-bytes", 12<<20, "bytes from one cut of data connections to the next")
	meanCtrl = flag.Float64("cut-commands", 200, "commands from one cut of control connections to the next")
)

// backends are what is compared.
var backends = []string{"ftpnat", "ftp"}

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "compare-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "rclone")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/ftpnat/ftpnat/adapters/rclone/cmd/rclone-ftpnat")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	tree := filepath.Join(dir, "tree")
	if err := makeFiles(tree, *files, *bigSize); err != nil {
		return err
	}
	fmt.Printf(head, time.Now().UTC().Format(time.DateOnly), *files, float64(*bigSize)/(1<<20), *times, *limit, *meanData/(1<<20), *meanCtrl)
	for _, server := range strings.Split(*servers, ",") {
		for _, c := range []cuts{{}, {*meanData, *meanCtrl}} {
			results := make(map[string][]result)
			for _, backend := range backends {
				m := &machine{program: program, tree: tree, dir: filepath.Join(dir, fmt.Sprint(server, c.bytes, backend)), backend: backend}
				if results[backend], err = m.measure(ctx, server, c); err != nil {
					return err
				}
			}
			table(server, c, results)
		}
	}
	return nil
}

const head = `# rclone on ftpnat, beside rclone's own ftp backend

Measured on %s by one command, ` + "`cd adapters/rclone && GOWORK=off go run ./compare`" + `: both backends in the same binary, the same run and
with rclone's defaults (own: as many connections as it likes; ftpnat: 4), one after the other. The servers are Debian's, on the same machine
without any delay; that favours whoever sends more commands. %d files of 1 to 16 KiB are synchronized, 100 to a directory; the big file has
%.0f MiB. Without cuts the steps with small files are taken %d times, those with the big file twice, and the shortest counts. A step of more than %v is ended. What arrived is compared byte by byte with what was sent: *wrong* if it is not the same.

"With cuts" resets each data connection after %.0f MiB and each control connection after %.0f commands, on average, at random. On vsftpd rclone's own
backend has ` + "`writing_mdtm`" + ` set; it would not compare times otherwise. "Commands" are the lines that the server got.
`

func table(server string, c cuts, results map[string][]result) {
	title := server
	if c.bytes > 0 {
		title += ", with cuts"
	}
	fmt.Printf("\n## %s\n\n| | ftpnat, s | commands | rclone's ftp, s | commands |\n|---|---|---|---|---|\n", title)
	for i, ours := range results["ftpnat"] {
		theirs := results["ftp"][i]
		fmt.Printf("| %s | %s | %s |\n", ours.step, ours, theirs)
	}
}

// result is what a step came to.
type result struct {
	step     string
	took     time.Duration
	commands int64
	problem  string
}

func (r result) String() string {
	if strings.HasPrefix(r.problem, "skipped") {
		return r.problem + " | "
	}
	s := fmt.Sprintf("%.1f", r.took.Seconds())
	if r.problem != "" {
		s = "**" + r.problem + "** after " + s
	}
	return fmt.Sprintf("%s | %d", s, r.commands)
}

// machine is a server with a client.
type machine struct {
	program, tree, dir, backend string

	server  *ftpdaemon.Daemon
	gate    *gate
	results []result
}

// measure takes all steps.
func (m *machine) measure(ctx context.Context, server string, c cuts) (_ []result, err error) {
	if err := os.MkdirAll(filepath.Join(m.dir, "server"), 0o755); err != nil {
		return nil, err
	}
	if m.server, err = ftpdaemon.Start(server, filepath.Join(m.dir, "server")); err != nil {
		return nil, err
	}
	defer m.server.Stop()
	if m.gate, err = newGate(m.server.Addr, c); err != nil {
		return nil, err
	}
	defer m.gate.l.Close()
	if err := m.configure(ctx, server == "vsftpd"); err != nil {
		return nil, err
	}
	if err := m.fill(); err != nil {
		return nil, err
	}
	for range *times {
		if c.bytes == 0 || len(m.results) == 0 {
			m.small(ctx)
		}
	}
	m.big(ctx)
	if c.bytes == 0 && *times > 1 {
		m.big(ctx)
	}
	m.mount(ctx)
	m.restic(ctx)
	return m.results, nil
}

func (m *machine) configure(ctx context.Context, mdtm bool) error {
	pass, err := exec.CommandContext(ctx, m.program, "obscure", ftpdaemon.Password).Output()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(m.gate.l.Addr().String())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.dir, "rclone.conf"), fmt.Appendf(nil, "[r]\ntype = %s\nhost = %s\nport = %s\nuser = %s\npass = %s\nwriting_mdtm = %v\n",
		m.backend, host, port, ftpdaemon.User, strings.TrimSpace(string(pass)), mdtm), 0o600)
}

// step runs a step and checks what it has done.
func (m *machine) step(ctx context.Context, name string, do, check func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	before, start := m.gate.count.Load(), time.Now()
	err := do(ctx)
	r := result{step: name, took: time.Since(start), commands: m.gate.count.Load() - before}
	switch {
	case ctx.Err() != nil:
		r.problem = "not done"
	case err != nil:
		r.problem = "failed"
	case check != nil:
		if err = check(ctx); err != nil {
			r.problem = "wrong"
		}
	}
	log.Printf("%s: %s: %s (%d cuts so far) %v", filepath.Base(m.dir), name, r, m.gate.broken.Load(), err)
	for i, old := range m.results {
		if old.step != name {
			continue
		}
		if r.problem != "" || old.problem == "" && r.took < old.took {
			m.results[i] = r
		}
		return
	}
	m.results = append(m.results, r)
}

// skip records a step that cannot be taken.
func (m *machine) skip(name, why string) {
	m.results = append(m.results, result{step: name, problem: "skipped: " + why})
}

// command returns a command with rclone's configuration. What it prints goes to a
// log, whose end is part of the error.
func (m *machine) command(ctx context.Context, program string, args ...string) func() error {
	return func() error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "RCLONE_CONFIG="+filepath.Join(m.dir, "rclone.conf"), "RESTIC_PASSWORD=secret", "RESTIC_CACHE_DIR="+filepath.Join(m.dir, "cache"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			return fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-3):], "; "))
		}
		return nil
	}
}

// rclone returns a step that is a command of rclone.
func (m *machine) rclone(args ...string) func(context.Context) error {
	return func(ctx context.Context) error { return m.command(ctx, m.program, args...)() }
}

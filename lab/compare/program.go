//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// listing is where a program leaves the listing if it does not print it.
const listing = "listing.txt"

// program is a client that is a program of this machine. It runs with the
// folder as its home, so that no settings of the user have a part in it.
type program struct {
	title    string
	identify step
	pattern  *regexp.Regexp // its first group is the version in what identify prints
	steps    func(target) []step

	// complaint matches what tells of a failure; nil means the last line.
	complaint *regexp.Regexp
}

// target is what a program is pointed at.
type target struct{ host, user, password string }

func (t target) url(file string) string {
	return "ftp://" + t.user + ":" + t.password + "@" + t.host + "/" + file
}

// step is one process.
type step struct {
	argv  []string
	input string
}

func command(argv ...string) step { return step{argv: argv} }

const ftplibScript = `
import ftplib, sys
host, user, password, down, up = sys.argv[1:]
ftp = ftplib.FTP(host, user, password)
print(*ftp.nlst(), sep="\n")
with open(down, "wb") as f:
    ftp.retrbinary("RETR " + down, f.write)
with open(up, "rb") as f:
    ftp.storbinary("STOR " + up, f)
ftp.quit()
`

func programs() []contender {
	return []contender{
		program{
			title: "curl", identify: command("curl", "--version"), pattern: regexp.MustCompile(`^curl (\S+)`),
			steps: func(t target) []step {
				return []step{
					command("curl", "-sS", "--list-only", t.url("")),
					command("curl", "-sS", "-o", paths.Download, t.url(paths.Download)),
					command("curl", "-sS", "-T", paths.Upload, t.url(paths.Upload)),
				}
			},
		},
		program{
			title: "lftp", identify: command("lftp", "--version"), pattern: regexp.MustCompile(`Version (\S+)`),
			steps: func(t target) []step {
				script := fmt.Sprintf("open -u %s,%s %s && cls -1 && get %s && put %s", t.user, t.password, t.host, paths.Download, paths.Upload)
				return []step{command("lftp", "-c", script)}
			},
		},
		program{
			title: "tnftp", identify: step{[]string{"tnftp"}, "status\n"}, pattern: regexp.MustCompile(`Version: tnftp (\S+)`),
			steps: func(t target) []step {
				script := fmt.Sprintf("user %s %s\nls . %s\nget %s\nput %s\nquit\n", t.user, t.password, listing, paths.Download, paths.Upload)
				return []step{{[]string{"tnftp", "-inv", t.host}, script}}
			},
			// It goes on with the next line of the script.
			complaint: regexp.MustCompile(`(?m)^([45]\d\d .*|tnftp: .*|.* mismatch\.|Not connected\.)$`),
		},
		program{
			title: "ncftp", identify: command("ncftpget", "--version"), pattern: regexp.MustCompile(`NcFTPGet (\S+)`),
			steps: func(t target) []step {
				account := []string{"-u", t.user, "-p", t.password}
				return []step{
					command(append(append([]string{"ncftpls"}, account...), "ftp://"+t.host+"/")...),
					command(append(append([]string{"ncftpget"}, account...), t.host, ".", "/"+paths.Download)...),
					command(append(append([]string{"ncftpput"}, account...), t.host, "/", paths.Upload)...),
				}
			},
		},
		program{
			title: "ftplib", identify: command(peer.Python, "--version"), pattern: regexp.MustCompile(`^(Python \S+)`),
			steps: func(t target) []step {
				return []step{command(peer.Python, "-c", ftplibScript, t.host, t.user, t.password, paths.Download, paths.Upload)}
			},
		},
	}
}

func (p program) name() string { return p.title }

func (p program) version(ctx context.Context) (_ string, err error) {
	folder, err := os.MkdirTemp("", "ftpnat-lab-compare-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	argv := unshared(homeScript, p.identify.argv)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.identify.prepare(cmd, folder)
	return peer.ProgramVersion(cmd, p.pattern)
}

func (p program) transfer(ctx context.Context, l *paths.Place, folder string) (seen, error) {
	t := target{l.Net.ServerPublic().String(), l.Server.User, l.Server.Password}
	var list, said string
	for i, s := range p.steps(t) {
		stdout, stderr, err := s.run(ctx, l, folder)
		if i == 0 {
			list = stdout
		}
		said = p.said(stdout, stderr)
		if err != nil {
			return seen{}, errors.New(cmp.Or(said, err.Error()))
		}
	}
	if text, err := os.ReadFile(filepath.Join(folder, listing)); err == nil {
		list = string(text)
	}
	data, err := os.ReadFile(filepath.Join(folder, paths.Download))
	if err != nil {
		return seen{}, errors.New(said)
	}
	return seen{names(list), client.Sum(data)}, nil
}

// said picks the line that tells most about a failure.
func (p program) said(stdout, stderr string) string {
	if p.complaint != nil {
		if s := p.complaint.FindString(stdout + stderr); s != "" {
			return s
		}
	}
	return lastLine(stderr, stdout)
}

// run runs the process and returns what it printed. When ctx ends the process
// is killed, with all that it started.
func (s step) run(ctx context.Context, l *paths.Place, folder string) (output, complaints string, err error) {
	if err := nameless(l, folder); err != nil {
		return "", "", err
	}
	var stdout, stderr bytes.Buffer
	argv := unshared(namelessScript+homeScript, s.argv)
	cmd := l.Net.Client.Command(ctx, argv[0], argv[1:]...)
	s.prepare(cmd, folder)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// prepare gives the process its input and its surroundings.
func (s step) prepare(cmd *exec.Cmd, folder string) {
	peer.House(cmd, folder)
	cmd.Stdin = strings.NewReader(s.input)
}

// Scripts that change what one process sees of this machine. The current folder
// takes the place of the user's home, since ncftp looks for that in /etc/passwd.
const (
	homeScript     = "mount --bind . ~root && "
	namelessScript = "mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && "
)

// unshared is a command that runs a script and then argv in a mount namespace
// of its own.
func unshared(script string, argv []string) []string {
	return append([]string{"unshare", "--mount", "--", "sh", "-c", script + `exec "$@"`, "sh"}, argv...)
}

// nameless writes what resolves the names of the two hosts and no other. A
// client that looks up the name of an address would else wait for a name server
// that the laboratory does not have.
func nameless(l *paths.Place, folder string) error {
	hosts := fmt.Sprintf("127.0.0.1 localhost\n%v client.test\n%v server.test\n", l.Net.ClientAddr, l.Net.ServerPublic())
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "hosts"), []byte(hosts), 0o644),
		os.WriteFile(filepath.Join(folder, "resolv.conf"), []byte("nameserver 127.0.0.1\n"), 0o644),
	)
}

// names returns the last word of each line: the name, in long listings and in
// short ones.
func names(listing string) []string {
	var s []string
	for line := range strings.Lines(listing) {
		if words := strings.Fields(line); len(words) > 0 {
			s = append(s, words[len(words)-1])
		}
	}
	return s
}

// lastLine returns the last line with something in it of the first text that
// has one.
func lastLine(texts ...string) string {
	for _, text := range texts {
		line := ""
		// A progress line is written over by the next.
		for s := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if s = strings.TrimSpace(s); s != "" {
				line = s
			}
		}
		if line != "" {
			return line
		}
	}
	return ""
}

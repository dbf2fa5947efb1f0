//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/peer"
)

// A program is a client that is a command.
type program struct {
	Name string
	// Down and Up say how it copies all files of a folder, over four connections if it
	// can: its arguments, and its input.
	Down, Up func(j programJob) (args []string, input string)
}

// programJob is what it is to do.
type programJob struct {
	host, port    string
	local, remote string // folders
	files         int
}

// programs are those that lab/compare/install.sh installs and that copy a folder.
func programs() []program {
	lftp := func(mirror string) func(programJob) ([]string, string) {
		return func(j programJob) ([]string, string) {
			from, to := j.remote, j.local
			if mirror != "" {
				from, to = to, from
			}
			return []string{"-c", fmt.Sprintf("set cmd:fail-exit yes; set ftp:ssl-allow no; open -p %s -u anonymous,x %s; mirror %s --no-perms --parallel=%d %s %s",
				j.port, j.host, mirror, scaleConns, from, to)}, ""
		}
	}
	rclone := func(j programJob, from, to string) ([]string, string) {
		conns := fmt.Sprint(scaleConns)
		// It tells of each file whose time it cannot set.
		return []string{"copy", "--retries", "1", "--log-file", os.DevNull, "--transfers", conns, "--checkers", conns, from, to}, ""
	}
	remote := func(j programJob) string {
		return fmt.Sprintf(":ftp,host=%s,port=%s,user=anonymous:%s", j.host, j.port, j.remote)
	}
	curl := func(each string) func(programJob) ([]string, string) {
		return func(j programJob) ([]string, string) {
			var b strings.Builder
			for n := range j.files {
				name := fmt.Sprintf("file%05d", n)
				fmt.Fprintf(&b, "url = \"ftp://%s/%s/%s\"\n%s = \"%s\"\n", net.JoinHostPort(j.host, j.port), j.remote, name, each, filepath.Join(j.local, name))
			}
			return []string{"-s", "-S", "--create-dirs", "--ftp-create-dirs", "--parallel", "--parallel-max", fmt.Sprint(scaleConns), "-K", "-"}, b.String()
		}
	}
	return []program{
		{"curl", curl("output"), curl("upload-file")},
		{"lftp", lftp(""), lftp("-R")},
		{"rclone", func(j programJob) ([]string, string) { return rclone(j, remote(j), j.local) },
			func(j programJob) ([]string, string) { return rclone(j, j.local, remote(j)) }},
	}
}

// scaleTenth is the part of the files that programs copy: what curl and rclone take for
// one grows with their number.
const scaleTenth = 10

// besides are the workers that are programs of this machine.
func (p *scalePlace) besides(up bool) (workers []worker) {
	for _, prog := range programs() {
		if _, err := exec.LookPath(prog.Name); err == nil {
			workers = append(workers, worker{prog.Name, p.program(prog, up)})
		}
	}
	return workers
}

// program measures a program's process, from its start to its end, as often as makes
// all files of it. Those that it copies must be where they were to go.
func (p *scalePlace) program(prog program, up bool) func(context.Context) (use, error) {
	return func(ctx context.Context) (u use, err error) {
		host, port, err := net.SplitHostPort(p.addrs[0])
		if err != nil {
			return u, err
		}
		j := programJob{host: host, port: port, remote: "tenth", local: filepath.Join(p.dir, p.fresh()), files: p.files / scaleTenth}
		args, input := prog.Down(j)
		if up {
			j.remote, j.local = p.fresh(), filepath.Join(p.dir, "tenth")
			args, input = prog.Up(j)
		}
		cmd := exec.CommandContext(ctx, prog.Name, args...)
		cmd.Stdin = strings.NewReader(input)
		wall, cpu, err := peer.Measured(cmd, "RCLONE_CONFIG="+os.DevNull, "RCLONE_FTP_PASS="+rclonePassword)
		if err != nil {
			return u, err
		}
		u.Wall, u.CPU = scaleTenth*wall, scaleTenth*cpu
		if up {
			_, err = p.ftpnat(1, func(fsys *ftpnat.FS) error { return allThere(fsys, j.remote, j.files) })(ctx)
			return u, err
		}
		return u, errors.Join(allThere(os.DirFS(p.dir), filepath.Base(j.local), j.files), os.RemoveAll(j.local))
	}
}

// rclonePassword is "x", in the form in which rclone hides passwords from view.
const rclonePassword = "d3aplSlh7uoC6xc0gLDlB8w"

// allThere checks how many files there are, and their sizes.
func allThere(fsys fs.FS, dir string, want int) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() != scaleSize {
			return fmt.Errorf("%s has %d bytes", e.Name(), info.Size())
		}
	}
	if len(entries) != want {
		return fmt.Errorf("%d of %d files came", len(entries), want)
	}
	return nil
}

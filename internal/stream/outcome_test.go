package stream

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

var update = flag.Bool("update", false, "write testdata/outcomes.txt")

// job is something that is done with "file", which has content, over one connection.
type job struct {
	name string
	do   func(w *world) (got []byte, err error) // got is what was read; nil if it writes
	want []byte                                 // what is read, or what "file" has afterwards
	dir  ftptest.Direction                      // of the data, as the server sees it
	mix  bool                                   // "file" may have something else when it fails
}

// jobs are the ways to read and to write.
func jobs() []job {
	write := func(to Target, size int) func(w *world) ([]byte, error) {
		return func(w *world) ([]byte, error) {
			to.Name, to.Path, to.Total = "file", "file", -1
			out := w.files.Writer(to)
			_, err := out.Write(w.ctx, fresh[:size])
			if cerr := out.Close(w.ctx); err == nil {
				err = cerr
			}
			return nil, err
		}
	}
	placed := func(how string, size int) func(w *world) ([]byte, error) {
		return func(w *world) ([]byte, error) { return nil, w.write(how, fresh[:size]) }
	}
	added := append(bytes.Clone(content), fresh[:1000]...)
	read := func(w *world) ([]byte, error) {
		e := fileEntry(int64(len(content)))
		r := w.files.Reader(Source{Name: "file", Path: "file", Entry: e, Asked: true})
		defer r.Stop(w.ctx)
		return readAll(&through{r: r, ctx: w.ctx}, e.Size)
	}
	middle := func(w *world) ([]byte, error) {
		r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(-1)})
		defer r.Stop(w.ctx)
		got, err := readAll(&through{r: r, ctx: w.ctx, off: 150_000}, -1)
		return got, err
	}
	return []job{
		{"ReadFile", func(w *world) ([]byte, error) { return w.files.ReadFile(w.ctx, "file") }, content, ftptest.Sent, false},
		{"read", read, content, ftptest.Sent, false},
		{"read from the middle", middle, content[150_000:], ftptest.Sent, false},
		{"write, short", write(Target{}, 1000), fresh[:1000], ftptest.Received, true},
		{"write, long", write(Target{}, len(fresh)), fresh, ftptest.Received, true},
		{"write, new", write(Target{Ours: true}, 1000), fresh[:1000], ftptest.Received, true},
		{"append", write(Target{Append: true}, 1000), added, ftptest.Received, true},
		{"WriteFile, long", func(w *world) ([]byte, error) {
			return nil, w.files.WriteFile(w.ctx, Target{Name: "file", Path: "file"}, fresh)
		}, fresh, ftptest.Received, true},
		{"atomic, short", placed("atomic", 1000), fresh[:1000], ftptest.Received, false},
		{"atomic, long", placed("atomic", len(fresh)), fresh, ftptest.Received, false},
		{"upload, short", placed("upload", 1000), fresh[:1000], ftptest.Received, false},
		{"upload, long", placed("upload", len(fresh)), fresh, ftptest.Received, false},
	}
}

// through reads a Reader from an offset on.
type through struct {
	r   *Reader
	ctx context.Context
	off int64
}

// Read reads.
func (t *through) Read(p []byte) (int, error) {
	n, err := t.r.Read(t.ctx, p, t.off)
	t.off += int64(n)
	return n, err
}

// login has the commands that are not counted: those of logins, and of idle times.
var login = []string{"USER", "PASS", "FEAT", "TYPE", "OPTS", "EPSV", "PASV", "PWD", "SYST", "NOOP"}

// TestOutcomes has something go wrong with each command of each job, once and each
// time, and with its data, on two servers. What is nil is so, and nothing is left
// behind; what else comes of it is in testdata/outcomes.txt.
func TestOutcomes(t *testing.T) {
	var b strings.Builder
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, j := range jobs() {
			plain, commands := j.outcome(t, p, nil, nil)
			fmt.Fprintf(&b, "%s, %s: %s\n", p.Name, j.name, plain)
			for _, f := range j.faults(commands) {
				out, _ := j.outcome(t, p, f.steps, f.faults)
				fmt.Fprintf(&b, "    %s: %s\n", f.name, out)
			}
		}
	}
	file := filepath.Join("testdata", "outcomes.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, head := strings.Split(string(golden), "\n"), ""
	for i, line := range strings.Split(b.String(), "\n") {
		if !strings.HasPrefix(line, " ") {
			head = line
		}
		if i >= len(want) || line != want[i] {
			t.Fatalf("%s\n%s\nwant\n%s\n(go test -update writes what is meant to be so)", head, line, want[min(i, len(want)-1)])
		}
	}
}

// trouble is what goes wrong in a job.
type trouble struct {
	name   string
	steps  []ftptest.Step
	faults []ftptest.Fault
}

// faults returns what can go wrong: with each command, and with the data.
func (j job) faults(commands []string) (all []trouble) {
	seen := make(map[string]int)
	for _, verb := range commands {
		seen[verb]++
		for _, r := range []ftptest.Step{
			{Reply: ftptest.None, Then: ftptest.Reset}, {Reply: ftptest.None}, {Reply: "500 What?"}, {Reply: "550 No."}, {Reply: "451 Later."}, {Reply: "421 Bye.", Then: ftptest.Cut},
			{Final: ftptest.None, Then: ftptest.Reset}, {Final: "451 Later."}, {Final: "552 Full."}, {Final: "226 Fine.", Then: ftptest.Cut},
		} {
			if r.Final != "" && verb != "RETR" && verb != "STOR" && verb != "APPE" {
				continue
			}
			name := fmt.Sprint(verb, " ", seen[verb], ", ", strings.TrimPrefix(r.Reply+r.Final, ftptest.None))
			switch r.Then {
			case ftptest.Reset:
				name += "reset"
			case ftptest.Cut:
				name += " closed"
			default:
				if r.Reply == ftptest.None {
					name += "silence"
				}
			}
			if r.Final != "" {
				name += " at its end"
			}
			r.On, r.Nth = verb, seen[verb]
			all = append(all, trouble{name: name, steps: []ftptest.Step{r}})
			if seen[verb] == 1 && r.Reply != ftptest.None {
				r.Nth = 0
				all = append(all, trouble{name: name + " always", steps: []ftptest.Step{r}})
			}
		}
	}
	for kind, name := range []string{ftptest.Reset: "reset", ftptest.Cut: "closed", ftptest.Drained: "ended by a box"} {
		for _, after := range []int64{0, 500, 70_000} {
			for conn, times := range []string{" always", ""} {
				if name == "" || after >= int64(len(j.want)) || after == 0 && conn == 0 && j.dir == ftptest.Received {
					continue
				}
				all = append(all, trouble{name: fmt.Sprint("data ", name, " after ", after, times),
					faults: []ftptest.Fault{{On: ftptest.Data, Conn: conn, Dir: j.dir, After: after, Kind: ftptest.Ending(kind)}}})
			}
		}
	}
	return all
}

// outcome does the job and returns what came of it and the commands it took. What must
// not come of it fails the test.
func (j job) outcome(t *testing.T, p ftptest.Personality, steps []ftptest.Step, faults []ftptest.Fault) (what string, commands []string) {
	s := setup{ftp: func(s *ftptest.Server) { s.Personality, s.Script, s.Faults = p, steps, faults }, proven: true}
	inWorld(t, s, func(t *testing.T, w *world) {
		if err := w.files.With(w.ctx, func(*remote.Session) error { return nil }); err != nil {
			t.Fatal(err)
		}
		got, err := j.do(w)
		for _, d := range w.srv.Transcript() {
			for _, verb := range d.Verbs() {
				if !slices.Contains(login, verb) {
					commands = append(commands, verb)
				}
			}
		}
		what = kind(err) + ";" + counted(commands)
		time.Sleep(time.Minute)
		w.names(t, "file")
		has, rerr := w.srv.Tree.ReadFile("file")
		switch {
		case rerr != nil:
			t.Errorf("the file is gone: %v", rerr)
		case err == nil && got != nil && !bytes.Equal(got, j.want):
			t.Errorf("%d bytes of %d were read, and nil", len(got), len(j.want))
		case err == nil && got == nil && !bytes.Equal(has, j.want):
			t.Errorf("the file has %d bytes of %d, and nil", len(has), len(j.want))
		case err != nil && !j.mix && !bytes.Equal(has, content) && !bytes.Equal(has, j.want):
			t.Errorf("the file has %d bytes, neither old nor new", len(has))
		}
		if t.Failed() {
			t.Logf("%s, %s: %v %v: %v", p.Name, j.name, steps, faults, err)
		}
	})
	return what, commands
}

// counted returns how often which commands came, in the order of the first ones. Where
// there are many, how many there are is a matter of pauses.
func counted(commands []string) string {
	var order []string
	times := make(map[string]int)
	for _, verb := range commands {
		if times[verb]++; times[verb] == 1 {
			order = append(order, verb)
		}
	}
	var b strings.Builder
	for _, verb := range order {
		b.WriteString(" " + verb)
		switch n := times[verb]; {
		case n > 4:
			b.WriteString(" many")
		case n > 1:
			fmt.Fprint(&b, " ", n)
		}
	}
	return b.String()
}

// kind returns what an error is to its caller.
func kind(err error) string {
	if err == nil {
		return "nil"
	}
	var all []string
	for _, k := range []error{proto.ErrNoVerdict, proto.ErrMismatch, proto.ErrShort, proto.ErrChanged, proto.ErrMissing, fs.ErrPermission, fs.ErrExist, errors.ErrUnsupported, proto.ErrLost, proto.ErrSilent, io.ErrUnexpectedEOF} {
		if errors.Is(err, k) {
			all = append(all, k.Error())
		}
	}
	if code := proto.ReplyOf(err).Code; code != 0 {
		all = append(all, fmt.Sprint(code))
	}
	if proto.IsNegotiate(err) {
		all = append(all, "no data connection")
	}
	if len(all) == 0 {
		all = append(all, "another error")
	}
	return strings.Join(all, ", ")
}

// proven is what is remembered of a network on which EPSV has worked.
func proven() memory {
	key := proto.Key{Server: addr, Network: netip.MustParsePrefix("203.0.113.0/24")}
	return memory{key: {Mode: proto.EPSV, Source: "peer", Seen: time.Now()}}
}

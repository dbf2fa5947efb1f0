package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// firsts are the troubles after which a job asks what has become of the file.
func firsts(dir ftptest.Direction, size int) []ftpworld.Trouble {
	verb := "STOR"
	if dir == ftptest.Sent {
		verb = "RETR"
	}
	lost := func(on string, final bool) ftpworld.Trouble {
		step := ftptest.Step{On: on, Nth: 1, Then: ftptest.Reset}
		name := on + " lost"
		if final {
			step.Final = ftptest.None
			name += " at its end"
		} else {
			step.Reply = ftptest.None
		}
		return ftpworld.Trouble{Name: name, Steps: []ftptest.Step{step}}
	}
	all := []ftpworld.Trouble{lost(verb, false), lost(verb, true), lost("APPE", true), lost("RNTO", false)}
	if size > 70_000 {
		for _, conn := range []int{1, 2} {
			fault := ftptest.Fault{On: ftptest.Data, Dir: dir, After: 70_000, Kind: ftptest.Reset}
			var faults []ftptest.Fault
			for n := range conn {
				fault.Conn = n + 1
				faults = append(faults, fault)
			}
			all = append(all, ftpworld.Trouble{Name: fmt.Sprint("data reset ", conn), Faults: faults})
		}
	}
	return all
}

// TestPairs has a second thing go wrong with each command that a first one has
// caused: what is nil is so then, too, and what is there is old or new.
func TestPairs(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	var table ftpworld.Table
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, j := range jobs(local) {
			_, usual := j.pair(t, p, ftpworld.Trouble{}, nil)
			for _, first := range firsts(j.dir, len(j.want)) {
				plain, commands := j.pair(t, p, first, nil)
				if fmt.Sprint(commands) == fmt.Sprint(usual) {
					continue // it has not come to pass, or is nobody's concern
				}
				try := func(tr ftpworld.Trouble) string {
					what, _ := j.pair(t, p, first, tr.Steps)
					if len(tr.Steps) > 1 {
						what, _, _ = strings.Cut(what, ";") // the rest is a matter of pauses
					}
					return what
				}
				troubles := seconds(commands, usual)
				if len(first.Faults) < 2 {
					table.Job(p.Name+", "+j.name+", "+first.Name, plain, troubles, try)
					continue
				}
				// Which connection is the second is a matter of chance.
				for _, tr := range troubles {
					try(tr)
				}
			}
		}
	}
	table.Compare(t, filepath.Join("testdata", "pairs.txt"), *update)
}

// seconds are the troubles with commands that do not come usually.
func seconds(commands, usual []string) (all []ftpworld.Trouble) {
	count := make(map[string]int)
	for _, verb := range usual {
		count[verb]++
	}
	seen := make(map[string]int)
	for _, verb := range commands {
		if seen[verb]++; seen[verb] <= count[verb] || seen[verb] > count[verb]+2 {
			continue
		}
		for name, step := range []ftptest.Step{{Reply: ftptest.None, Then: ftptest.Reset}, {Reply: "550 No."}, {Reply: "451 Later."}} {
			step.On, step.Nth = verb, seen[verb]
			steps := []ftptest.Step{step}
			// A session asks again by itself if a connection is lost once.
			for step.Then == ftptest.Reset && len(steps) < 400 {
				step.Nth++
				steps = append(steps, step)
			}
			all = append(all, ftpworld.Trouble{Name: fmt.Sprint(verb, " ", seen[verb], " ", [...]string{"lost for good", "550", "451"}[name]), Steps: steps})
		}
	}
	return all
}

// pair does the job with two troubles, and returns what came of it, with what was
// told of it and what is left, and the commands it took.
func (j job) pair(t *testing.T, p ftptest.Personality, first ftpworld.Trouble, second []ftptest.Step) (what string, commands []string) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Personality, s.Faults = p, first.Faults
		s.Script = append(slices.Clone(first.Steps), second...)
	}, proven: true}
	inWorld(t, s, func(t *testing.T, w *world) {
		if err := w.files.With(w.ctx, func(*remote.Session) error { return nil }); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, err := j.do(w)
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("it took %v", took)
		}
		commands = ftpworld.Sent(w.srv)
		what = ftpworld.Outcome(err, proto.ReplyOf(err).Code, kinds, commands)
		if n := len(w.resumed); n > 0 {
			what += fmt.Sprint("; on at ", w.resumed[n-1].Offset)
		}
		if err == nil && got == nil && w.last.Bytes != int64(len(j.want)) {
			what += fmt.Sprint("; told of ", w.last.Bytes)
		}
		time.Sleep(time.Minute)
		entries, rerr := w.srv.Tree.ReadDir(".")
		if rerr != nil {
			t.Fatal(rerr)
		}
		if len(entries) != 1 {
			what += fmt.Sprintf("; %d files", len(entries))
		}
		j.judge(t, w, got, err)
		if t.Failed() {
			t.Logf("%s, %s: %s, then %+v: %v", p.Name, j.name, first.Name, second[:min(1, len(second))], err)
		}
	})
	return what, commands
}

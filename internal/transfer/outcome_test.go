package transfer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

var update = flag.Bool("update", false, "write testdata/*.txt")

// jobs are what an Engine does.
var jobs = []struct {
	name string
	do   func(c *client) error
	dir  ftptest.Direction
}{
	{"get", func(c *client) error { return c.sure() }, ftptest.Sent},
	{"get, checked", func(c *client) error { return c.fetch(Request{Line: "RETR file", Check: SIZE}, small) }, ftptest.Sent},
	{"get, known", func(c *client) error {
		return c.fetch(Request{Line: "RETR file", Check: SIZE, Resumes: true, Known: int64(len(small))}, small)
	}, ftptest.Sent},
	{"get the end", func(c *client) error {
		return c.fetch(Request{Line: "RETR file", Offset: 100, Check: SIZE, Resumes: true, Known: -1}, small[100:])
	}, ftptest.Sent},
	{"get an empty one", func(c *client) error { return c.fetch(Request{Line: "RETR empty", Check: SIZE}, nil) }, ftptest.Sent},
	{"get thrice", func(c *client) error { return errors.Join(c.sure(), c.sure(), c.sure()) }, ftptest.Sent},
	{"get, and leave", func(c *client) error {
		t, err := c.Open(c.w.ctx, Request{Line: "RETR file"})
		if err == nil {
			_, err = t.Read(make([]byte, 100))
			t.Abandon(c.w.ctx)
		}
		return err
	}, ftptest.Sent},
	{"list", func(c *client) error {
		t, err := c.Open(c.w.ctx, Request{Line: "LIST", Resumes: true})
		if err != nil {
			return err
		}
		got, err := io.ReadAll(t)
		if err = t.End(c.w.ctx, err); err != io.EOF {
			return err
		}
		if n := bytes.Count(got, []byte("\n")); n != 2 {
			return errPart // how much it should be is for the caller to find out
		}
		return nil
	}, ftptest.Sent},
	{"put", func(c *client) error {
		return c.stored(Request{Line: "STOR up", Whole: true, Body: small, Resumes: true, Check: SIZE})
	}, ftptest.Received},
	{"put, asking first", func(c *client) error {
		return c.stored(Request{Line: "STOR up", Whole: true, Body: small, Check: SIZE, First: "SIZE up", Told: new(proto.Reply)})
	}, ftptest.Received},
	{"put, afresh", func(c *client) error {
		n := 0
		return c.stored(Request{Line: "STOR up", Whole: true, Body: small, Check: SIZE, Afresh: func() (string, error) { n++; return fmt.Sprint("STOR up", n), nil }})
	}, ftptest.Received},
	{"put a stream", func(c *client) error { return c.stored(Request{Line: "STOR up", Check: SIZE}) }, ftptest.Received},
	{"put, append", func(c *client) error { return c.stored(Request{Line: "APPE up"}) }, ftptest.Received},
	{"put after a REST", func(c *client) error {
		err := c.fetch(Request{Line: "RETR file", Offset: 100, Check: SIZE, Resumes: true}, small[100:])
		return errors.Join(err, c.stored(Request{Line: "STOR up"}))
	}, ftptest.Received},
	{"ask", func(c *client) error {
		replies, err := c.Ask(c.w.ctx, "SIZE file", "MDTM file")
		if err == nil && len(replies) != 2 {
			c.w.Error(replies)
		}
		return errors.Join(err, c.sure())
	}, ftptest.Sent},
	{"probe", func(c *client) error { _, err := c.Probe(c.w.ctx); return err }, ftptest.Sent},
}

// sure downloads the file as who can try again, and wants to know that it is whole.
func (c *client) sure() error {
	return c.fetch(Request{Line: "RETR file", Check: SIZE, Resumes: true}, small)
}

// stored uploads small and checks what the server has.
func (c *client) stored(req Request) error {
	t, err := c.Open(c.w.ctx, req)
	if err != nil {
		return err
	}
	if req.Whole {
		err = t.End(c.w.ctx, nil)
	} else {
		err = t.Send(c.w.ctx, bytes.NewReader(small))
	}
	if err != nil {
		return err
	}
	size, err := t.Size(c.w.ctx)
	if err == nil && size >= 0 && size != int64(len(small)) {
		return proto.ErrMismatch
	}
	_, name, _ := strings.Cut(t.Line(), " ")
	if got, rerr := c.w.srv.Tree.ReadFile(name); err == nil && size >= 0 && !bytes.Equal(got, small) {
		c.w.Errorf("%s: the server has %d bytes, %v, and nil", t.Line(), len(got), rerr)
	}
	return err
}

// places are networks and servers in which the jobs are done.
func places(t *testing.T) map[string]setup {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	is := func(p ftptest.Personality) func(*ftptest.Server) {
		return func(s *ftptest.Server) { s.Personality = p }
	}
	return map[string]setup{
		"vsftpd":     {ftp: is(ftptest.VSFTPD())},
		"plain":      {ftp: is(ftptest.Plain())},
		"pyftpdlib":  {ftp: is(ftptest.Pyftpdlib())},
		"active":     {ftp: is(ftptest.VSFTPD()), path: func(c *path.Config) { c.Modes = []proto.Mode{proto.EPRT, proto.PORT} }},
		"one by one": {ftp: is(ftptest.VSFTPD()), cfg: func(c *Config) { c.OneByOne = true }, slow: true},
		"TLS":        {ftp: func(s *ftptest.Server) { s.Personality, s.TLS = ftptest.ProFTPD(), cert.Server }, tls: &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}},
		"PRET":       {ftp: is(pret())},
		"not known":  {ftp: is(ftptest.VSFTPD())},
	}
}

var errPart = errors.New("a part came")

// errorKinds are what an error can be to its caller.
var errorKinds = []error{proto.ErrNoVerdict, proto.ErrMismatch, proto.ErrShort, proto.ErrChanged, proto.ErrTruncated, proto.ErrNoRestart, proto.ErrLost, proto.ErrSilent, proto.ErrStalled, errPart, io.ErrUnexpectedEOF}

// TestOutcomes has something go wrong with each command of each job, and with its
// data, in some places: what comes of it, with the attempts, what is remembered and
// the time, is in testdata/outcomes.txt. What is nil is so.
func TestOutcomes(t *testing.T) {
	var table ftpworld.Table
	all := places(t)
	for _, place := range []struct{ name, jobs string }{
		{"vsftpd", ""}, {"plain", ""}, {"pyftpdlib", ""},
		{"active", "get, get the end, list, put, put a stream, probe"},
		{"one by one", "get, put, ask"},
		{"TLS", "get, get the end, get an empty one, list, put, put a stream, put, append"},
		{"not known", "get, get thrice, put, probe"},
	} {
		for _, j := range jobs {
			if place.jobs != "" && !slices.Contains(strings.Split(place.jobs, ", "), j.name) {
				continue
			}
			plain, commands := outcome(t, place.name, all[place.name], ftpworld.Trouble{}, j.do)
			troubles := ftpworld.Troubles(commands)
			troubles = slices.DeleteFunc(troubles, func(tr ftpworld.Trouble) bool {
				step := tr.Steps[0]
				// What is left of one listing is in the way of the next, or not; and a
				// connection that is lost behind something else, in that of its end.
				return j.name == "probe" && step.Final != "" || step.Then == ftptest.Cut && step.Final != "" ||
					step.Then != ftptest.Keep && (step.On == "EPSV" || step.Nth > 1 && j.name == "get thrice")
			})
			if j.name != "probe" && place.name != "active" {
				troubles = append(troubles, ftpworld.DataTroubles(j.dir, len(small))...)
			}
			table.Job(place.name+", "+j.name, plain, troubles, func(tr ftpworld.Trouble) string {
				what, _ := outcome(t, place.name, all[place.name], tr, j.do)
				if len(tr.Steps) > 0 && tr.Steps[0].On == "SIZE" && (tr.Steps[0].Then == ftptest.Reset || tr.Steps[0].Then == ftptest.Cut) {
					// The closing reply of STOR comes in the same moment as the end,
					// and is seen first or not.
					what = strings.Replace(what, "queue 1", "queue 0", 1)
				}
				return what
			})
		}
	}
	table.Compare(t, filepath.Join("testdata", "outcomes.txt"), *update)
}

// about returns about how long something took: pauses are of no certain length.
func about(d time.Duration) string {
	for _, most := range []time.Duration{time.Second, 4 * time.Second, 12 * time.Second, 40 * time.Second, 2 * time.Minute} {
		if d < most {
			return "within " + most.String()
		}
	}
	return "minutes"
}

// outcome does a job in a place and returns what came of it, and the commands it took.
func outcome(t *testing.T, name string, s setup, tr ftpworld.Trouble, do func(c *client) error) (what string, commands []string) {
	ftp := s.ftp
	s.ftp = func(s *ftptest.Server) {
		ftp(s)
		s.Script, s.Faults = tr.Steps, tr.Faults
		if err := s.Tree.WriteFile("empty", nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, s, func(w *world) {
		if s.path == nil && name != "not known" {
			proven(w)
		}
		w.with(func(c *client) {
			start := time.Now()
			err := do(c)
			took := time.Since(start)
			// What was sent and not what was read: a server reads what is behind a
			// transfer, or not, whose two connections are lost in one moment. But for
			// NOOP, which a connection that was closed in this moment is sent, or not.
			commands = slices.DeleteFunc(slices.Clone(w.sent), func(v string) bool {
				return slices.Contains([]string{"AUTH", "PBSZ", "PROT", "USER", "PASS", "FEAT", "TYPE", "NOOP"}, v)
			})
			for range w.said("NOOP") {
				commands = append(commands, "NOOP")
			}
			what = ftpworld.Outcome(err, code(err), errorKinds, commands)
			l := w.mem.lesson()
			what += fmt.Sprintf("; %s; %v flight %d queue %d ahead %d; %s", strings.Join(w.seen, ", "), l.Mode, l.Flight, l.Queue, l.Ahead, about(took))
		})
		if w.Failed() {
			w.Log(name, tr.Name)
		}
	})
	return what, commands
}

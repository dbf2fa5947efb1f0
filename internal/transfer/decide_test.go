package transfer

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// knowledge is what can be known of a server and its way before a transfer.
var knowledge = []struct {
	name string
	set  func(e *Engine)
}{
	{"flight", func(e *Engine) { e.path.Learn(path.Flight, true) }},
	{"no flight", func(e *Engine) { e.path.Learn(path.Flight, false) }},
	{"queue", func(e *Engine) { e.path.Learn(path.Queue, true) }},
	{"no queue", func(e *Engine) { e.path.Learn(path.Queue, false) }},
	{"wary", func(e *Engine) { e.cfg.Queueing.Ended(false) }},
	{"no ahead", func(e *Engine) { e.path.Learn(path.Ahead, false); e.path.Learn(path.Ahead, false) }},
	{"ended", func(e *Engine) { e.ended = true }},
	{"missed", func(e *Engine) { e.missed = true }},
	{"offer", func(e *Engine) { e.offer = &offer{}; e.offer.also.Call = &control.Call{} }},
	{"PASV", func(e *Engine) { e.path.Worked(plan.Step{Mode: proto.PASV, Source: plan.Peer}) }},
	{"PASV to another", func(e *Engine) { e.path.Worked(plan.Step{Mode: proto.PASV, Source: plan.Advertised}) }},
	{"PORT", func(e *Engine) { e.path.Worked(plan.Step{Mode: proto.PORT, Source: plan.Local}) }},
	{"PASV to another fails", func(e *Engine) { e.path.Failed(plan.Step{Mode: proto.PASV, Source: plan.Advertised}, proto.Refused) }},
	{"EPSV fails", func(e *Engine) { e.path.Failed(plan.Step{Mode: proto.EPSV, Source: plan.Peer}, proto.Refused) }},
	{"150 tells", func(e *Engine) { e.tells = proto.Yes }},
	{"150 does not tell", func(e *Engine) { e.tells = proto.No }},
	{"no SIZE", func(e *Engine) { e.sizes = proto.No }},
	{"REST", func(e *Engine) { e.restLife = e.sess.Lives() }},
	{"REST, before", func(e *Engine) { e.restLife = e.sess.Lives() - 1 }},
}

// TestDecisions has, for servers of which one thing or two are known, what is sent
// early and what is asked: see testdata/decisions.txt.
func TestDecisions(t *testing.T) {
	requests := []struct {
		name string
		req  Request
	}{
		{"get", Request{Line: "RETR file", Check: SIZE}},
		{"get, resumes", Request{Line: "RETR file", Check: SIZE, Resumes: true}},
		{"get, known", Request{Line: "RETR file", Check: SIZE, Resumes: true, Known: 1}},
		{"get, unchecked", Request{Line: "RETR file"}},
		{"get the end", Request{Line: "RETR file", Check: SIZE, Offset: 1, Resumes: true}},
		{"put", Request{Line: "STOR up", Check: SIZE, Whole: true, Resumes: true}},
		{"put a stream", Request{Line: "STOR up", Check: SIZE, Resumes: true}},
		{"append", Request{Line: "APPE up"}},
	}
	var table ftpworld.Table
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib(), ftptest.FileZilla(), ftptest.Plain(), pret()} {
		s := script(p)
		s.slow = true
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				decides := func(oneByOne bool, known ...func(e *Engine)) string {
					way := path.New(path.Config{Server: addr, Memory: &memory{lessons: make(map[proto.Key]proto.Lesson)}})
					way.Connected(c.path.Local(), c.path.Peer())
					way.Worked(plan.Step{Mode: proto.EPSV, Source: plan.Peer})
					e := New(Config{Server: addr, Attempt: c.cfg.Attempt, OneByOne: oneByOne}, c.sess, way)
					for _, set := range known {
						set(e)
					}
					what := e.decided()
					for _, r := range requests {
						what += "; " + r.name + ":" + e.decides(r.req)
					}
					return what
				}
				both := make(map[string][]func(e *Engine))
				var pairs []ftpworld.Trouble
				for i, k := range knowledge {
					for _, other := range knowledge[i:] {
						name := k.name
						if other.name != k.name {
							name += " and " + other.name
						}
						both[name] = []func(e *Engine){k.set, other.set}
						pairs = append(pairs, ftpworld.Trouble{Name: name})
					}
				}
				table.Job(p.Name, decides(false), pairs, func(tr ftpworld.Trouble) string { return decides(false, both[tr.Name]...) })
				table.Job(p.Name+", one by one", decides(true), nil, nil)
			})
		})
	}
	table.Compare(t, filepath.Join("testdata", "decisions.txt"), *update)
}

// decided returns what is known whatever is to be transferred: whether commands are
// sent ahead, the step that is taken without doubt, and whether an offer may be made.
func (e *Engine) decided() string {
	what := "in turn"
	if e.TakesAhead() {
		what = "ahead"
	}
	if step, ok := e.sure(); ok {
		what += fmt.Sprintf(", sure of %v", step.Mode)
	}
	if pending := e.pending() != nil; pending {
		what += ", with an offer"
	} else if e.newOffer() != nil {
		what += ", offers"
	}
	return what
}

// decides returns what is decided for a request.
func (e *Engine) decides(req Request) (what string) {
	req.kind = kindOf(req.Line)
	for _, d := range []struct {
		name string
		is   bool
	}{
		{"queues", e.queues(req)}, {"checks", e.checksBehind(req)}, {"checks first", e.checksFirst(req)}, {"asks for the queue", e.asksQueue(req)},
		{"rests", e.rests(req)}, {"rests along", (&fastAttempt{attempt: &attempt{e: e, req: req}}).restsAlong()},
	} {
		if d.is {
			what += " " + d.name
		}
	}
	return what
}

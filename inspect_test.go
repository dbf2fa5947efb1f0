package ftpnat_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// inspected is a way on which something reads FTP as one command and then its
// reply.
type inspected struct {
	name      string
	near, far []memnet.Box
	coalesce  time.Duration // of the server's replies
	blames    []string      // attempts that fail, and rightly so
	nat       bool          // far is one
}

// whole has a server's replies share segments.
const whole = time.Millisecond

// inspector returns a box at the client's side.
func inspector(b memnet.Inspector) []memnet.Box { return []memnet.Box{b} }

// answering returns a box that refuses a command itself, and at once.
func answering(verb string) []memnet.Box {
	return inspector(memnet.Inspector{Answers: map[string]string{verb: "502 Command not implemented."}})
}

// opener is a firewall that lets in control connections, and data connections
// that it reads of.
func opener(last bool) []memnet.Box {
	f := memnet.InboundOnly(memnet.Drop, memnet.Port(21))
	f.FTPHelper, f.LastCommand = true, last
	return []memnet.Box{f}
}

// helpingNAT forwards control connections, and data connections by its helper.
var helpingNAT = memnet.NAT{Public: serverAddr, FTPHelper: true, Forwards: []memnet.Forward{{Ports: memnet.Port(21), To: privateServer}}}

// inspections are such ways. Established are: for "ahead", that Cisco's ASA with
// "inspect ftp strict" has each command acknowledged before the next, and ends
// connections with embedded commands (its configuration guide); for the helpers,
// what nf_conntrack_ftp and OpenBSD's ftp-proxy(8) read, by their sources. The
// others are what a box may do that looks at FTP segment by segment.
var inspections = []inspected{
	{name: "nothing"},
	{name: "ahead resets", near: inspector(memnet.Inspector{Ahead: memnet.Reset})},
	{name: "ahead resets, far", far: inspector(memnet.Inspector{Ahead: memnet.Reset})},
	{name: "ahead closes", near: inspector(memnet.Inspector{Ahead: memnet.Hangup})},
	{name: "ahead swallowed", near: inspector(memnet.Inspector{Ahead: memnet.Swallow})},
	{name: "ahead thrown away", near: inspector(memnet.Inspector{Ahead: memnet.Discard})},
	{name: "early resets", near: inspector(memnet.Inspector{Early: memnet.Reset})},
	{name: "early thrown away", near: inspector(memnet.Inspector{Early: memnet.Discard})},
	{name: "early swallowed", near: inspector(memnet.Inspector{Early: memnet.Swallow})},
	{name: "early thrown away, ahead resets", near: inspector(memnet.Inspector{Early: memnet.Discard, Ahead: memnet.Reset})},
	{name: "shared resets", near: inspector(memnet.Inspector{Shared: memnet.Reset})},
	{name: "shared swallowed", near: inspector(memnet.Inspector{Shared: memnet.Swallow})},
	{name: "one line a segment", near: inspector(memnet.Inspector{Shared: memnet.Discard})},
	{name: "long resets", near: inspector(memnet.Inspector{Long: memnet.Reset, MaxSegment: 256})},
	{name: "long thrown away", near: inspector(memnet.Inspector{Long: memnet.Discard, MaxSegment: 256})},
	{name: "answers FEAT", near: answering("FEAT")},
	{name: "answers OPTS", near: answering("OPTS")},
	{name: "answers EPSV", near: answering("EPSV"), blames: []string{"EPSV Refused", "EPSV ControlReset"}},
	{name: "answers SIZE", near: answering("SIZE")},
	{name: "answers STAT", near: answering("STAT")},
	{name: "helper, far", far: opener(false)},
	{name: "helper, far, whole", far: opener(false), coalesce: whole},
	{name: "helper of a NAT, far, whole", far: []memnet.Box{helpingNAT}, coalesce: whole, nat: true},
	{name: "helper of a NAT, near", near: []memnet.Box{memnet.NAT{Public: natAddr, FTPHelper: true}}},
	{name: "ftp-proxy, far", far: opener(true)},
	{name: "ftp-proxy, near", near: opener(true)},
	{name: "ftp-proxy on both sides, whole", near: opener(true), far: opener(true), coalesce: whole},
}

// setup returns the network of the way.
func (c inspected) setup(p ftptest.Personality, mode ftpnat.Mode, plainly bool) setup {
	s := setup{near: c.near, far: c.far, ftp: func(s *ftptest.Server) {
		s.Personality = p
		s.Personality.Control.Coalesce = c.coalesce
		files(20)(s)
		for i := range 10 {
			if err := s.Tree.WriteFile(fmt.Sprintf("tree/directory%02d/f", i), small, 0o644); err != nil {
				panic(err)
			}
		}
	}, dialer: func(d *ftpnat.Dialer) {
		if mode != ftpnat.EPSV {
			d.Modes = []ftpnat.Mode{mode}
		}
		if plainly {
			plain(d)
		}
	}}
	if c.nat {
		s.server, s.name = privateServer, serverAddr
	}
	return s
}

// faults collects the attempts that failed.
type faults struct {
	mu   sync.Mutex
	seen []string
}

// watch returns a context that has them collected.
func (f *faults) watch(ctx context.Context) context.Context {
	return ftpnat.WithTrace(ctx, &ftpnat.Trace{Attempt: func(a ftpnat.Attempt) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if c := causesOf([]ftpnat.Attempt{a})[0]; a.Cause != ftpnat.OK && !slices.Contains(f.seen, c) {
			f.seen = append(f.seen, c)
		}
	}})
}

// Limits on what a way may cost beyond what it costs a client that waits for
// each reply: when it is met first, and when it is known.
const (
	firstMet = 3500 * time.Millisecond
	onceMet  = 450 * time.Millisecond // connections of a crew share work as it comes
)

// TestInspect works behind boxes that do not let everything through that is sent
// ahead: all is right, the second session knows, and no mode is blamed for it.
func TestInspect(t *testing.T) {
	eachInspection(t, func(t *testing.T, w *world) (parts []time.Duration) {
		for range 2 {
			parts = append(parts, w.inspect(t)...)
		}
		return parts
	}, func(fast, slow []time.Duration) error {
		half := len(fast) / 2
		var extra time.Duration
		for i := range fast {
			over := fast[i] - slow[i]
			if extra += max(over, 0); i >= half && over > onceMet {
				return fmt.Errorf("part %d of the second session took %v, and %v one command at a time", i-half, fast[i], slow[i])
			}
			if i == half-1 && extra > firstMet {
				return fmt.Errorf("the first session took %v, and %v one command at a time", fast[:half], slow[:half])
			}
		}
		return nil
	})
}

// TestInspectSessions has sessions of one file each.
func TestInspectSessions(t *testing.T) {
	eachInspection(t, func(t *testing.T, w *world) (parts []time.Duration) {
		for i := range 5 {
			start := time.Now()
			fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := fsys.WithContext(w.ctx).ReadFile("f00"); err != nil || !bytes.Equal(got, small) {
				t.Errorf("ReadFile %d: %d bytes, %v", i, len(got), err)
			}
			parts = append(parts, time.Since(start))
			fsys.Close()
		}
		return parts
	}, func(fast, slow []time.Duration) error {
		var extra time.Duration
		for i := range fast {
			extra += max(fast[i]-slow[i], 0)
		}
		last := len(fast) - 1
		if extra > firstMet || fast[last] > slow[last] {
			return fmt.Errorf("sessions took %v, and %v one command at a time", fast, slow)
		}
		return nil
	})
}

// eachInspection has work done on each way, also one command at a time, and the
// times that its parts took compared: the best of three, as the scheduler may give
// one connection of a crew more than its share.
func eachInspection(t *testing.T, work func(*testing.T, *world) []time.Duration, compare func(fast, slow []time.Duration) error) {
	for _, c := range inspections {
		for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT} {
			t.Run(fmt.Sprintf("%s/%v", c.name, mode), func(t *testing.T) {
				p := ftptest.VSFTPD()
				if mode == ftpnat.PASV {
					p = ftptest.ProFTPD()
				}
				var err error
				for range 3 {
					var took [2][]time.Duration
					for i := range took {
						inBubble(t, c.setup(p, mode, i == 1), func(t *testing.T, w *world) {
							var seen faults
							w.ctx = seen.watch(w.ctx)
							took[i] = work(t, w)
							for _, f := range seen.seen {
								if !slices.Contains(c.blames, f) {
									t.Errorf("an attempt failed: %s", f)
								}
							}
							if i == 0 {
								t.Logf("%v; %+v", took[i], w.lesson())
							}
						})
					}
					if err = compare(took[0], took[1]); err == nil {
						return
					}
				}
				t.Error(err)
			})
		}
	}
}

// inspect does what a session does, and returns what each part of it took.
func (w *world) inspect(t *testing.T) (parts []time.Duration) {
	last := time.Now()
	lap := func() {
		parts = append(parts, time.Since(last))
		last = time.Now()
	}
	fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/")
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	fsys = fsys.WithContext(w.ctx)
	lap()
	for i := range 20 {
		if got, err := fsys.ReadFile(fmt.Sprintf("f%02d", i)); err != nil || !bytes.Equal(got, small) {
			t.Errorf("ReadFile: %d bytes, %v", len(got), err)
		}
	}
	lap()
	names := 0
	err = fs.WalkDir(fsys, "tree", func(string, fs.DirEntry, error) error {
		names++
		return nil
	})
	if err != nil || names != 21 {
		t.Errorf("WalkDir: %d names, %v", names, err)
	}
	lap()
	for i := range 5 {
		name := fmt.Sprintf("up%d", i)
		if err := fsys.WriteFile(name, small[:5000+i], 0o644); err != nil {
			t.Errorf("WriteFile: %v", err)
		}
		w.has(t, name, string(small[:5000+i]))
	}
	lap()
	dst := filepath.Join(t.TempDir(), "dst")
	if err := fsys.Fetch(dst, "tree"); err != nil {
		t.Errorf("Fetch: %v", err)
	}
	if got := localTree(t, dst); len(got) != 20 {
		t.Errorf("Fetch made %d names", len(got))
	}
	lap()
	return parts
}

// TestWalkSegments has a firewall cut off a client whose segments are longer than
// its buffer, which is shorter than those of the wire: these would not end with
// a line either.
func TestWalkSegments(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD()} {
		c := inspected{near: inspector(memnet.Inspector{Long: memnet.Reset, MaxSegment: 1024})}
		inBubble(t, c.setup(p, ftpnat.EPSV, false), func(t *testing.T, w *world) {
			for i := range 200 {
				if err := w.Server.Tree.WriteFile(fmt.Sprintf("tree/directory%03d/a file %d", i, i), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			fsys := w.openFS(t, "tree")
			names := 0
			err := fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
				names++
				if err == nil {
					_, err = d.Info()
				}
				return err
			})
			if err != nil || names != 1+2*210 {
				t.Errorf("%s: %d names, %v", p.Name, names, err)
			}
			if n := len(w.Server.Transcript()); n != 1 {
				t.Errorf("%s: %d control connections", p.Name, n)
			}
		})
	}
}

// TestAheadIdle has boxes forget data connections that carry nothing: one that
// was opened ahead of need is found out, or was given up before.
func TestAheadIdle(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Second, 30 * time.Second} {
		for _, resets := range []bool{false, true} {
			for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PORT} {
				t.Run(fmt.Sprint(after, resets, mode), func(t *testing.T) {
					c := inspected{near: []memnet.Box{memnet.Idle{After: after, Reset: resets}}}
					inBubble(t, c.setup(ftptest.VSFTPD(), mode, false), func(t *testing.T, w *world) {
						var seen faults
						w.ctx = seen.watch(w.ctx)
						fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/")
						if err != nil {
							t.Fatal(err)
						}
						defer fsys.Close()
						fsys = fsys.WithContext(w.ctx)
						for i := range 40 {
							pause := 3*time.Second + time.Duration(i)*75*time.Millisecond
							time.Sleep(pause) // virtual
							start := time.Now()
							if got, err := fsys.ReadFile("f00"); err != nil || !bytes.Equal(got, small) {
								t.Errorf("ReadFile: %d bytes, %v", len(got), err)
							}
							if err := fsys.WriteFile("up", small[:i], 0o644); err != nil {
								t.Errorf("WriteFile: %v", err)
							}
							w.has(t, "up", string(small[:i]))
							if took := time.Since(start); took > 3*time.Second {
								t.Errorf("after %v it took %v", pause, took)
							}
						}
						if len(seen.seen) > 0 {
							t.Errorf("attempts failed: %q", seen.seen)
						}
					})
				})
			}
		}
	}
}

package main

import (
	"context"
	"strings"
	"sync"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/portmap"
)

// session is a login on a server.
type session struct {
	target target
	login  login
	tls    bool
	dialer *ftpnat.Dialer
	memory *memory
	mapper *portmap.Mapper
	*ftpnat.FS
}

// dial prepares a session: nothing is sent yet.
func (a *app) dial(ctx context.Context, t target, conns int) (*session, error) {
	d, err := a.flags.dialer(a.root.PersistentFlags(), t)
	if err != nil {
		return nil, err
	}
	s := &session{target: t, tls: a.usesTLS(t), dialer: d}
	if s.login, err = a.findLogin(ctx, t); err != nil {
		return nil, err
	}
	d.User, d.Password, d.MaxConns = s.login.user, s.login.password, conns
	if !a.noMemory {
		s.memory = openMemory(a.cache)
		d.Memory = s.memory
	}
	if a.mapping {
		s.mapper = new(portmap.Mapper)
		d.Mapper = s.mapper
	}
	a.sessions = append(a.sessions, s)
	return s, nil
}

// open logs in to the server of t, unless that was done already.
func (a *app) open(ctx context.Context, t target, conns int) (*session, error) {
	for _, s := range a.sessions {
		if s.FS != nil && s.target.sameServer(t) {
			return s, nil
		}
	}
	s, err := a.dial(ctx, t, conns)
	if err != nil {
		return nil, err
	}
	ctx = a.traced(ctx)
	fsys, err := s.dialer.Open(ctx, t.base())
	if err != nil {
		return nil, err
	}
	s.FS = fsys.WithContext(ctx)
	return s, nil
}

// openArg opens the server that an argument names.
func (a *app) openArg(ctx context.Context, arg string) (*session, target, error) {
	t, err := parseTarget(arg)
	if err != nil {
		return nil, t, err
	}
	s, err := a.open(ctx, t, 0)
	return s, t, err
}

// close ends all sessions and keeps what they learnt.
func (a *app) close() {
	for _, s := range a.sessions {
		if s.FS != nil {
			_ = s.FS.Close()
		}
		if s.mapper != nil {
			if err := s.mapper.Close(); err != nil {
				a.warn("a port of the router's stays open for a while: %s", oneLine(err))
			}
		}
		if s.memory == nil {
			continue
		}
		if err := s.memory.save(); err != nil && a.verbose {
			a.warn("what was learnt of the path is not kept: %s", oneLine(err))
		}
	}
}

// watcher sees in the dialogue what hints are about.
type watcher struct {
	mu        sync.Mutex
	connected bool // a control connection was opened
	spoke     bool // a server sent a reply
	offersTLS bool // a server lists AUTH TLS
}

func (w *watcher) trace() *ftpnat.Trace {
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.connected = w.connected || e.Err == nil
		},
		Reply: func(r ftpnat.Reply) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.spoke = true
			w.offersTLS = w.offersTLS || listsTLS(r)
		},
	}
}

// listsTLS reports whether a reply is one to FEAT that offers AUTH TLS.
func listsTLS(r ftpnat.Reply) bool {
	if r.Code != 211 {
		return false
	}
	for _, line := range r.Lines {
		words := strings.FieldsFunc(strings.ToUpper(line), func(c rune) bool { return c == ' ' || c == ';' || c == ',' })
		if len(words) > 1 && words[0] == "AUTH" && (words[1] == "TLS" || words[len(words)-1] == "TLS") {
			return true
		}
	}
	return false
}

// inTheClear returns the session whose password was sent for all to read where
// it could have been sent under TLS, or nil.
func (a *app) inTheClear() *session {
	if !a.watch.offers() {
		return nil
	}
	for _, s := range a.sessions {
		if !s.tls && s.login.source != "" {
			return s
		}
	}
	return nil
}

// silentServer reports whether a server was reached that never said a word.
func (w *watcher) silentServer() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.connected && !w.spoke
}

// replied reports whether a server has said anything.
func (w *watcher) replied() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spoke
}

// offers reports whether a server offers TLS.
func (w *watcher) offers() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.offersTLS
}

package control

import (
	"crypto/tls"
	"sync"
)

// sessions keeps the TLS sessions of one control connection. Servers want the
// data connection to resume the session of its own control connection, so that
// connections must not share a cache, and what a data connection is given must
// not replace what the control connection was given.
type sessions struct {
	mu     sync.Mutex
	latest *tls.ClientSessionState
}

// Get returns the latest session of the control connection.
func (s *sessions) Get(string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest, s.latest != nil
}

// Put keeps a session that the control connection was given.
func (s *sessions) Put(_ string, cs *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = cs
}

// forData is a view of the sessions that only reads.
type forData struct{ *sessions }

// Put does nothing: see sessions.
func (forData) Put(string, *tls.ClientSessionState) {}

// pair returns the configurations of one control connection and of the data
// connections beside it, which resume its sessions; nil for clear text.
func pair(base *tls.Config, clearData bool) (control, data *tls.Config) {
	if base == nil {
		return nil, nil
	}
	s := new(sessions)
	control = base.Clone()
	control.ClientSessionCache = s
	if clearData {
		return control, nil
	}
	data = base.Clone()
	data.ClientSessionCache = forData{s}
	// Small records at the start are for browsers, which show what has come.
	data.DynamicRecordSizingDisabled = true
	return control, data
}

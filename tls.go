package ftpnat

import (
	"crypto/tls"
	"sync"
)

// setTLS puts TLS into the settings: a clone of the caller's configuration
// with a ServerName, without which nothing is verified and nothing resumes.
func (c *config) setTLS() {
	base := c.Dialer.TLSConfig
	if base == nil {
		base = new(tls.Config)
	}
	c.tls = base.Clone()
	if c.tls.ServerName == "" {
		c.tls.ServerName = c.host
	}
}

// sessions keeps the TLS sessions of one control connection. Servers want the
// data connection to resume the session of its own control connection, so
// that a cache must not be shared between those, and what a data connection
// is given must not replace what the control connection got.
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

// connectionTLS returns the configuration of one control connection, and that
// of the data connections beside it, which resume its sessions; nil for clear
// text.
func (c *config) connectionTLS() (control, data *tls.Config) {
	if c.tls == nil {
		return nil, nil
	}
	s := new(sessions)
	control = c.tls.Clone()
	control.ClientSessionCache = s
	if c.Dialer.ClearData {
		return control, nil
	}
	data = c.tls.Clone()
	data.ClientSessionCache = forData{s}
	// Small records at the start are for browsers, which show what has come.
	data.DynamicRecordSizingDisabled = true
	return control, data
}

//go:build linux

package client

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
)

// tlsConfig returns nil where there is to be no TLS.
func (s Settings) tlsConfig() *tls.Config {
	if len(s.RootsPEM) == 0 {
		return nil
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: s.TLSVersion, MaxVersion: s.TLSVersion}
	config.RootCAs.AppendCertsFromPEM(s.RootsPEM)
	return config
}

// tlsFor is tlsConfig for clients that do not see to the server's name and to
// the reuse of sessions themselves.
func (s Settings) tlsFor(u *url.URL) *tls.Config {
	config := s.tlsConfig()
	if config != nil {
		config.ServerName, config.ClientSessionCache = u.Hostname(), tls.NewLRUClientSessionCache(0)
	}
	return config
}

package ftptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

var certs struct {
	sync.Mutex
	byName map[string]Cert
}

// Cert is a self-signed certificate for tests.
type Cert struct {
	Server *tls.Config    // Server presents the certificate.
	Pool   *x509.CertPool // Pool holds it as the one root.
}

// NewCert returns a certificate for a host name or an address. It is made once
// for each name, and is valid at any time that a test's clock may show.
func NewCert(name string) (Cert, error) {
	certs.Lock()
	defer certs.Unlock()
	if c, ok := certs.byName[name]; ok {
		return c, nil
	}
	c, err := makeCert(name)
	if err != nil {
		return Cert{}, err
	}
	if certs.byName == nil {
		certs.byName = make(map[string]Cert)
	}
	certs.byName[name] = c
	return c, nil
}

func makeCert(name string) (Cert, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Cert{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		// testing/synctest starts its clock in the year 2000.
		NotBefore:             time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		tmpl.IPAddresses = []net.IP{ip}
	} else {
		tmpl.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return Cert{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Cert{}, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return Cert{Server: &tls.Config{Certificates: []tls.Certificate{pair}}, Pool: pool}, nil
}

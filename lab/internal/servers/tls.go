//go:build linux

package servers

import (
	"path/filepath"
	"slices"
)

// certificateFile is where the certificate is, with its key.
const certificateFile = "certificate.pem"

func (o Options) writeCertificate(s *Server) error {
	if o.TLS == nil {
		return nil
	}
	return s.write(certificateFile, string(slices.Concat(o.TLS.CertPEM, o.TLS.KeyPEM)))
}

// vsftpdTLS is vsftpd's configuration for TLS. Its defaults are for another
// age: the versions that it names are the oldest it knows, newer ones are on.
func (o Options) vsftpdTLS(s *Server) string {
	if o.TLS == nil {
		return ""
	}
	text := "ssl_enable=YES\nssl_tlsv1=YES\nssl_ciphers=HIGH\n" +
		"rsa_cert_file=" + s.path(certificateFile) + "\n" +
		"force_local_logins_ssl=YES\nforce_local_data_ssl=" + yesNo(!o.TLS.ClearData) + "\n" +
		"require_ssl_reuse=YES\nstrict_ssl_read_eof=YES\nstrict_ssl_write_shutdown=NO\ndebug_ssl=YES\n"
	if o.TLS.Implicit {
		text += "implicit_ssl=YES\n"
	}
	return text
}

// proftpdTLS is ProFTPD's, with the default of TLSOptions.
func (o Options) proftpdTLS(s *Server) string {
	if o.TLS == nil {
		return ""
	}
	required := "on"
	if o.TLS.ClearCommands {
		required = "auth+data"
	}
	modules, _ := unpacked("proftpd-mod-crypto", "usr/lib/proftpd")
	return "ModulePath " + filepath.Clean(modules) + "\nLoadModule mod_tls.c\n" +
		"TLSEngine on\nTLSRequired " + required + "\n" +
		"TLSLog " + s.path("tls.log") + "\n" +
		"TLSECCertificateFile " + s.path(certificateFile) + "\n" +
		"TLSECCertificateKeyFile " + s.path(certificateFile) + "\n"
}

func (o Options) pureftpdTLS(s *Server) []string {
	if o.TLS == nil {
		return nil
	}
	const both = "3" // control and data connections
	return []string{"--tls", both, "--certfile", s.path(certificateFile)}
}

func yesNo(yes bool) string {
	if yes {
		return "YES"
	}
	return "NO"
}

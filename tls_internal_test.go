package ftpnat

import (
	"crypto/tls"
	"testing"
)

// TestDataTLS makes large records on data connections, and leaves the caller's
// settings as they are.
func TestDataTLS(t *testing.T) {
	own := new(tls.Config)
	cfg, err := (&Dialer{TLSConfig: own}).fill("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	control, data := cfg.connectionTLS()
	if control.DynamicRecordSizingDisabled || !data.DynamicRecordSizingDisabled || own.DynamicRecordSizingDisabled {
		t.Errorf("large records at once: control %v, data %v, the caller's %v", control.DynamicRecordSizingDisabled, data.DynamicRecordSizingDisabled, own.DynamicRecordSizingDisabled)
	}
}

package ftpnat

import (
	"bytes"
	"context"
	"github.com/jlaffaye/ftp"
	"io"
	"testing"
)

func TestSmoke(t *testing.T) {
	for _, modes := range [][]Mode{nil, {PASV}, {PORT}, {EPRT}} {
		d := &Dialer{Modes: modes}
		ctx := WithTrace(t.Context(), &Trace{Command: func(s string) { t.Log("> " + s) }, Reply: func(r Reply) { t.Log("< " + r.String()) }, Attempt: func(a Attempt) { t.Log(a) }, Note: func(s string) { t.Log("note", s) }})
		c, err := d.Dial(ctx, "127.0.0.1:2121")
		if err != nil {
			t.Fatal(err)
		}
		rc, err := c.Retrieve(ctx, "a.txt", 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		t.Logf("%q %v", b, err)
		n, err := c.Store(ctx, "up", bytes.NewReader(make([]byte, 3<<20)))
		t.Log(n, err)
		t.Log(c.Report())
		c.Close()
	}
	d := &Dialer{}
	fc, err := ftp.Dial("127.0.0.1:2121", ftp.DialWithDialFunc(d.DialFunc(context.Background())))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(fc.Login("anonymous", "x"))
	es, err := fc.List("")
	for _, e := range es {
		t.Log(e.Name, e.Size)
	}
	t.Log(err, fc.Stor("up2", bytes.NewReader(make([]byte, 3<<20))))
	r, err := fc.RetrFrom("big", 1000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	t.Log(len(b), err, r.Close(), fc.NoOp(), fc.Quit())
}

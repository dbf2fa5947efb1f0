package ftpnat_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
)

// TestConnCloseDuringRetrieve closes a Conn just as a transfer has begun: Close
// does not wait until somebody uses the reader.
func TestConnCloseDuringRetrieve(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		c := w.dial()
		begun := make(chan struct{})
		ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Attempt: func(ftpnat.Attempt) {
			close(begun)
			time.Sleep(time.Second) // Close is under way then
		}})
		var rc io.ReadCloser
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			rc, err = c.Retrieve(ctx, "pub/file.bin", 0)
		}()
		<-begun
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-done
		if err == nil {
			_, err = io.ReadAll(rc)
		}
		if !errors.Is(err, ftpnat.ErrClosed) {
			t.Errorf("err = %v", err)
		}
	})
}

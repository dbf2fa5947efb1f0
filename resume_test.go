package ftpnat_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestResumeEvent has a download and an upload go on where they broke, and says
// where.
func TestResumeEvent(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 70_000, Kind: ftptest.Reset}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		var events []ftpnat.ResumeEvent
		ctx := ftpnat.WithTrace(t.Context(), &ftpnat.Trace{Resume: func(e ftpnat.ResumeEvent) { events = append(events, e) }})
		fsys := w.openFS(t, "").WithContext(ctx)
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if len(events) != 1 || events[0].Name != "pub/file.bin" || events[0].Upload || events[0].Offset == 0 || events[0].Offset > 70_000 {
			t.Errorf("events %+v", events)
		}
		if err := fsys.WriteFile("up", content, 0o644); err != nil {
			t.Fatal(err)
		}
		if len(events) != 1 {
			t.Errorf("events %+v", events)
		}
	})
}

package ftpnat_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestShortThenUntold has a box cut uploads that the server then calls complete, and the
// server tell the size once and not again: a file that was short is not whole because
// nothing more is to be had of it.
func TestShortThenUntold(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 5000)
	ways := map[string]func(*ftpnat.FS) error{
		"upload": func(fsys *ftpnat.FS) error { _, err := fsys.Upload("f", bytes.NewReader(content)); return err },
		"write":  func(fsys *ftpnat.FS) error { return fsys.WriteFile("f", content, 0o666) },
		"create": func(fsys *ftpnat.FS) error {
			file, err := fsys.Create("f")
			if err != nil {
				return err
			}
			_, _ = file.Write(content)
			return file.Close()
		},
	}
	for name, way := range ways {
		for _, p := range append(theFour(), ftptest.Plain()) {
			for _, then := range []ftptest.Step{{Reply: "550 No."}, {Reply: "500 What?"}, {Reply: "451 Later."}, {Then: ftptest.Reset}, {Then: ftptest.Silence}} {
				for nth := 1; nth <= 6; nth++ {
					step := then
					step.On, step.Nth = "SIZE", nth
					t.Run(fmt.Sprint(name, " ", p.Name, " ", then.Reply, then.Then, " ", nth), func(t *testing.T) {
						s := played(p, step, ended(0, ftptest.Received, 23_000))
						inBubble(t, s, func(t *testing.T, w *world) {
							err := way(w.openFS(t, ""))
							got, _ := w.Server.Tree.ReadFile("f")
							if err == nil && !bytes.Equal(got, content) {
								t.Errorf("nil, and the server has %d of %d bytes", len(got), len(content))
							}
						})
					})
				}
			}
		}
	}
}

package ftpnat_test

import (
	"io"
	"os"
	"testing"
)

func TestTruncateAppend(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, text := range []string{"what was there", "new"} {
			f, err := fsys.OpenFile("up", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o666)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(f, text)
			if cerr := f.Close(); err != nil || cerr != nil {
				t.Fatal(err, cerr)
			}
			w.has(t, "up", text)
		}
	})
}

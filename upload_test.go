package ftpnat_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestUploadPutsBack has an upload fail between the two renames that replace a
// file: that is found under its name afterwards.
func TestUploadPutsBack(t *testing.T) {
	exists := ftptest.Step{On: "RNTO", Nth: 2, Reply: "550 File exists."}
	for name, tt := range map[string]struct {
		script []ftptest.Step
		retry  time.Duration
	}{
		"refused":              {[]ftptest.Step{exists, {On: "RNTO", Nth: 4, Reply: "550 no"}}, 0},
		"refused for now":      {[]ftptest.Step{exists, {On: "RNTO", Nth: 4, Reply: "450 no"}, {On: "RNTO", Nth: 6, Reply: "550 File exists."}, {On: "RNTO", Nth: 8, Reply: "550 no"}}, 0},
		"broken":               {[]ftptest.Step{exists, {On: "RNTO", Nth: 4, Then: ftptest.Reset}}, -1},
		"broken, then refused": {[]ftptest.Step{exists, {On: "RNTO", Nth: 4, Then: ftptest.Cut}, {On: "RNTO", Nth: 5, Reply: "550 no"}}, 0},
		"silent":               {[]ftptest.Step{exists, {On: "RNTO", Nth: 4, Then: ftptest.Silence}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.RetryFor = tt.retry }, ftp: func(srv *ftptest.Server) { srv.Script = tt.script }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				if _, err := fsys.Upload("up", strings.NewReader("old")); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
				defer cancel()
				_, err := fsys.WithContext(ctx).Upload("up", strings.NewReader("new"))
				if err == nil {
					t.Error("no error")
				}
				w.has(t, "up", "old")
				w.left(t, "", "empty", "pub", "up")
			})
		})
	}
}

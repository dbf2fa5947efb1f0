package ftpnat

import (
	"testing"
	"testing/synctest"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// TestQueueBreaksOften has every third transfer break that has commands behind
// it: they are not worth that.
func TestQueueBreaksOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ftpworld.New(t, ftpworld.Setup{FTP: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Personality.ShowHidden, s.Personality.ListOptions = true, false
		}})
		defer w.Close()
		c := dialWorld(t, w)
		defer c.Close()
		broken := 0
		for i := 0; c.l.lesson.Queue != No && i < 50; i++ {
			if i%3 == 0 {
				broken++
			}
			c.l.queued(i%3 != 0)
		}
		if broken != 3 {
			t.Errorf("%d transfers broke before it was given up, want 3", broken)
		}
	})
}

//go:build linux

package bulk

import (
	"context"
	"os"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

func TestMain(m *testing.M) {
	client.Main()
	os.Exit(m.Run())
}

// testSize is that of a file that does not fit into any buffer.
const testSize = 64 << 20

// TestTransfers moves a file that does not fit into any buffer, by ftpnat and
// by the bare copy, and looks at what has arrived and at the memory it took.
func TestTransfers(t *testing.T) {
	labtest.Need(t, netns.Check(), servers.Missing())
	for name, tls := range map[string]bool{"clear": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			p, err := Build(t.Context(), testSize, tls)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := p.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			for _, c := range Contenders()[:2] {
				for _, upload := range []bool{false, true} {
					cost, err := c.Measure(t.Context(), p, upload)
					if err != nil {
						t.Errorf("%s, upload %v: %v", c.Name, upload, err)
						continue
					}
					if cost.Wall <= 0 || cost.CPU <= 0 || cost.Memory > memoryLimit {
						t.Errorf("%s, upload %v: %+v, want at most %d bytes of memory", c.Name, upload, cost, memoryLimit)
					}
				}
			}
		})
	}
}

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

var all = flag.Bool("manners", false, "run every server, and not only a choice")

var unfit error

func TestMain(m *testing.M) {
	servers.Main()
	child()
	client.Main()
	flag.Set("test.parallel", "6") // servers wait more than they compute; the command line has the last word
	unfit = errors.Join(cli.Ready(), servers.MissingOthers())
	if unfit == nil {
		netns.Sweep(context.Background())
	}
	code := m.Run()
	if unfit == nil {
		netns.Close(context.Background())
	}
	os.Exit(code)
}

// TestServers runs the suite and sees that nothing is silently wrong, and
// nothing refused, but for what the table says.
func TestServers(t *testing.T) {
	labtest.Need(t, unfit)
	for _, r := range rows {
		if !r.InCI && !*all {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			t.Parallel()
			out, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if out.print(&text, true) > 0 {
				t.Errorf("not what the table says:\n%s\nlog of the server:\n%s", text.Bytes(), out.log)
			}
		})
	}
}

// TestPages sees that the pages show the rows that there are; only the program knows
// what they come to.
func TestPages(t *testing.T) {
	var shown []string
	for _, name := range []string{"../README.md", "../../docs/servers.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, found, ok := strings.Cut(string(text), heading())
		if !ok {
			t.Errorf("%s does not have the columns of the suite: go run ./lab/manners -readme lab/README.md -docs docs/servers.md", name)
			continue
		}
		lines := strings.Split(found, "\n")
		for i, r := range rows {
			if i >= len(lines) || !strings.HasPrefix(lines[i], r.begins()) {
				t.Errorf("%s does not show %s in its place", name, r.Name())
			}
		}
		shown = append(shown, strings.Join(lines[:min(len(rows), len(lines))], "\n"))
	}
	if len(shown) == 2 && shown[0] != shown[1] {
		t.Error("the two pages show different tables")
	}
}

func TestExpects(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"upload/write", "upload/write", true},
		{"upload/write", "upload/write over", false},
		{"upload/*", "upload/write", true},
		{"upload/*", "rename/file", false},
		{"names/mkdir st*r", "names/mkdir st*r", true},
		{"names/mkdir st*r", "names/mkdir stir", false},
		{"*", "anything/at all", true},
	} {
		if got := expects([]string{c.pattern}, c.key); got != c.want {
			t.Errorf("%q expects %q: %v", c.pattern, c.key, got)
		}
	}
}

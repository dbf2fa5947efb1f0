//go:build linux

package lab

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// nothingLimit is the longest that a person should wait to hear that nothing
// works, and why.
const nothingLimit = 30 * time.Second

// The server's firewall is to blame everywhere. The client's NAT shows once
// the server goes along with PORT: vsftpd and pure-ftpd do when they are given
// the public address that they let slip, ProFTPD puts it in by itself, and
// pyftpdlib lets nothing slip and refuses.
var nothingTests = []struct {
	server servers.Kind
	faces  []client.Kind
	tries  []string // each once
	advice []ftpnat.Cause
}{
	{
		server: servers.Vsftpd,
		faces:  ftpnatClients,
		tries:  []string{"EPRT AcceptTimeout", "EPRT Refused", "EPSV DialTimeout", "PASV DialTimeout", "PORT AcceptTimeout", "PORT Refused"},
		advice: []ftpnat.Cause{ftpnat.DialTimeout, ftpnat.AcceptTimeout},
	},
	{
		server: servers.PureFTPd,
		faces:  []client.Kind{client.FS},
		tries:  []string{"EPRT AcceptTimeout", "EPRT Refused", "EPSV DialTimeout", "PASV DialTimeout", "PORT AcceptTimeout", "PORT Refused"},
		advice: []ftpnat.Cause{ftpnat.DialTimeout, ftpnat.AcceptTimeout},
	},
	{
		server: servers.ProFTPD,
		faces:  []client.Kind{client.FS},
		tries:  []string{"EPRT AcceptTimeout", "EPSV DialTimeout", "PASV DialTimeout", "PORT AcceptTimeout"},
		advice: []ftpnat.Cause{ftpnat.DialTimeout, ftpnat.AcceptTimeout},
	},
	{
		server: servers.Pyftpdlib,
		faces:  []client.Kind{client.FS},
		tries:  []string{"EPRT Refused", "EPSV DialTimeout", "PASV DialTimeout", "PORT Refused"},
		advice: []ftpnat.Cause{ftpnat.DialTimeout},
	},
}

func TestNothingWorks(t *testing.T) {
	needLab(t)
	for _, tt := range nothingTests {
		for _, kind := range tt.faces {
			t.Run(string(tt.server)+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				r := build(t, paths.NothingWorks, tt.server).run(client.Job{Kind: kind})
				t.Logf("after %v: %s", r.Elapsed, r.Err)
				if r.Elapsed > nothingLimit {
					t.Errorf("took %v, want at most %v", r.Elapsed, nothingLimit)
				}
				if r.Negotiation == nil {
					t.Fatal("the error is no NegotiateError")
				}
				if got := distinct(r.Negotiation.Attempts); !slices.Equal(got, tt.tries) {
					t.Errorf("attempts %q, want %q", got, tt.tries)
				}
				for _, cause := range tt.advice {
					if !slices.Contains(r.Negotiation.Advice, cause.Advice()) {
						t.Errorf("advice %q, want that for %v in it", r.Negotiation.Advice, cause)
					}
				}
			})
		}
	}
}

// distinct returns the attempts as text, each once and in order of the
// alphabet.
func distinct(attempts []client.Attempt) []string {
	set := make(map[string]struct{})
	for _, s := range tries(attempts) {
		set[s] = struct{}{}
	}
	return slices.Sorted(maps.Keys(set))
}

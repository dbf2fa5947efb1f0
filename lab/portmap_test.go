//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/miniupnpd"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/portmap"
)

// mapped is a server that can be reached by active mode only, from behind a
// router that lets in what is mapped there.
var mapped = paths.Path{
	Name:   "active-only-mapped",
	Client: netns.Site{Private: true, Rules: paths.Masquerade + miniupnpd.Rules},
	Server: netns.Site{Rules: paths.Control21},
	Ways:   paths.Outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Refused, client.Refused},
	Tries:  []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"},
}

var protocols = []portmap.Protocol{portmap.PCP, portmap.NATPMP, portmap.UPnP}

// mapJob is what a process in the client's namespace does with a Mapper: the
// transfers of a client.Job, or, without a URL, a mapping of Local.
type mapJob struct {
	Protocol portmap.Protocol
	URL      string
	Local    netip.AddrPort
}

const mapVariable = "FTPNAT_LAB_MAP"

// init does a mapJob and ends the process, if this process was started for
// one.
func init() {
	text := os.Getenv(mapVariable)
	if text == "" {
		return
	}
	var job mapJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var r client.Result
	start := time.Now()
	if err := job.do(&r); err != nil {
		r.Err = err.Error()
	}
	r.Elapsed = time.Since(start)
	if err := json.NewEncoder(os.Stdout).Encode(&r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (job mapJob) do(r *client.Result) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), jobTimeout)
	defer cancel()
	m := &portmap.Mapper{Protocols: []portmap.Protocol{job.Protocol}}
	defer func() { err = errors.Join(err, m.Close()) }()
	if job.URL == "" {
		_, err := m.Map(ctx, job.Local)
		return err
	}
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Command: func(line string) { r.Trace = append(r.Trace, "> "+line) },
		Reply:   func(reply ftpnat.Reply) { r.Trace = append(r.Trace, "< "+reply.String()) },
		Note:    func(text string) { r.Trace = append(r.Trace, "note: "+text) },
		Attempt: func(a ftpnat.Attempt) {
			cause, _ := a.Cause.MarshalText()
			r.Attempts = append(r.Attempts, client.Attempt{Mode: a.Mode.String(), Cause: string(cause), Advertised: a.Advertised.String()})
		},
	})
	return job.transfer(ctx, m, r)
}

// transfer lists, downloads and uploads on one control connection.
func (job mapJob) transfer(ctx context.Context, m *portmap.Mapper, r *client.Result) (err error) {
	opened, err := (&ftpnat.Dialer{Mapper: m, MaxConns: 1}).Open(ctx, job.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	fsys := opened.WithContext(ctx)
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.Names = append(r.Names, e.Name())
	}
	data, err := fs.ReadFile(fsys, paths.Download)
	if err != nil {
		return err
	}
	r.Downloaded = client.Sum(data)
	return fsys.WriteFile(paths.Upload, client.Payload(paths.UploadSeed, paths.Size), 0o644)
}

// TestPortmapObstacle shows that without a mapping there is no way, not even
// with the router's public address.
func TestPortmapObstacle(t *testing.T) {
	needMiniupnpd(t)
	l := build(t, mapped, servers.Vsftpd)
	outer, err := miniupnpd.ExternalAddr(t.Context(), l.net)
	if err != nil {
		t.Fatal(err)
	}
	l.startMiniupnpd()
	l.place.Path.Settings.PublicAddr = outer
	r := l.run(client.Job{Kind: client.Probe})
	want := mapped.Ways.ByWay()
	want[client.WayPORTPublic] = client.AcceptTimeout
	if r.Err != "" || !maps.Equal(r.Outcomes, want) {
		t.Errorf("the ways are\n%v, want\n%v; %s", r.Outcomes, want, r.Err)
	}
}

// elsewhere counts what the client sends to others than the server, its
// gateway, and the group in which gateways listen.
const elsewhere = `
table inet watch {
	counter elsewhere {
	}
	chain output {
		type filter hook output priority filter
		oifname "lo" accept
		ip daddr { 10.1.0.1, 239.255.255.250, %v } accept
		meta l4proto { tcp, udp } counter name "elsewhere"
	}
}
`

// TestPortmap goes through miniupnpd by each protocol.
func TestPortmap(t *testing.T) {
	needMiniupnpd(t)
	for _, p := range protocols {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			l := build(t, mapped, servers.Vsftpd)
			outer, err := miniupnpd.ExternalAddr(t.Context(), l.net)
			if err != nil {
				t.Fatal(err)
			}
			d := l.startMiniupnpd()
			if err := l.net.Client.Nft(t.Context(), fmt.Sprintf(elsewhere, l.net.ServerPublic())); err != nil {
				t.Fatal(err)
			}
			r := l.runMapped(mapJob{Protocol: p, URL: l.place.URL()})
			l.checkTransfers(r, client.FS)
			l.checkAttempts(r, client.FS, servers.Vsftpd)
			for _, a := range r.Attempts {
				if a.Cause == "OK" && !strings.HasPrefix(a.Advertised, outer.String()+":") {
					t.Errorf("a data connection came to %s, want to the mapped %v", a.Advertised, outer)
				}
			}
			sent, err := l.net.Client.Run(t.Context(), "", "nft", "list", "counter", "inet", "watch", "elsewhere")
			if err != nil || !strings.Contains(sent, "packets 0 ") {
				t.Errorf("the client sent to others than the server and the gateway: %v, %s", err, sent)
			}
			if left, err := d.Mappings(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("mappings are left: %q, %v", left, err)
			}
			if got, least := strings.Count(d.Log(), mappedLine[p]), 3; got < least {
				t.Errorf("miniupnpd logged %q %d times, want %d at least", mappedLine[p], got, least)
			}
		})
	}
}

// mappedLine is what miniupnpd logs of a mapping by each protocol.
var mappedLine = map[portmap.Protocol]string{
	portmap.PCP:    "PCP MAP: added mapping",
	portmap.NATPMP: "NAT-PMP request",
	portmap.UPnP:   "AddAnyPortMapping",
}

// TestPortmapNoPublicAddress asks a miniupnpd whose own address is none that
// it takes for public.
func TestPortmapNoPublicAddress(t *testing.T) {
	needMiniupnpd(t)
	l := build(t, mapped, servers.Vsftpd)
	l.startMiniupnpd()
	for _, p := range protocols {
		r := l.runMapped(mapJob{Protocol: p, Local: netip.AddrPortFrom(l.net.ClientAddr, 40000)})
		if want := fmt.Sprintf("portmap: %v at ", p); !strings.HasPrefix(r.Err, want) || strings.Contains(r.Err, "no answer") {
			t.Errorf("the error is %q, want what the gateway says to %v", r.Err, p)
		}
		t.Log(r.Err)
		if r.Elapsed > 5*time.Second {
			t.Errorf("%v took %v", p, r.Elapsed)
		}
	}
}

func needMiniupnpd(t *testing.T) {
	t.Helper()
	needLab(t)
	if _, err := os.Stat(miniupnpd.Path()); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the lab must run here: run lab/install.sh first, for miniupnpd")
	}
	t.Skip("LAB SKIPPED: run lab/install.sh first, for miniupnpd")
}

func (l *laboratory) startMiniupnpd() *miniupnpd.Daemon {
	l.t.Helper()
	d, err := miniupnpd.Start(l.t.Context(), l.net.ClientRouter)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("log of miniupnpd:\n%s", d.Log())
		}
		if err := d.Stop(); err != nil {
			l.t.Error(err)
		}
	})
	return d
}

// runMapped does a job on the client's host.
func (l *laboratory) runMapped(job mapJob) *client.Result {
	l.t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		l.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), jobTimeout+10*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := l.net.Client.Command(ctx, self)
	cmd.Env = append(slices.Clone(os.Environ()), mapVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	var r client.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		l.t.Fatalf("%v\n%s", err, stdout.Bytes())
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%v took %v: %s\n%s", job.Protocol, r.Elapsed, r.Err, strings.Join(r.Trace, "\n"))
		}
	})
	return &r
}

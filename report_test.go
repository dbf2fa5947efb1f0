package ftpnat_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// fullReport has something in each field.
func fullReport() *ftpnat.Report {
	r := &ftpnat.Report{
		Server: "ftp.example.com:21", Greeting: "Welcome\nto ftp.example.com",
		Features: map[string]string{"MLST": "type*;size*;", "EPSV": ""},
		Local:    privateClient, Remote: serverAddr, Seen: natAddr, Public: deadAddr,
		TLS: true, TLSVersion: "TLS 1.3", TLSResumed: ftpnat.Yes,
		RTT: 50 * time.Millisecond, Reconnect: 1, Mode: ftpnat.PASV, Stopped: "the time was up",
		Attempts: []ftpnat.Attempt{
			{Mode: ftpnat.EPSV, Cause: ftpnat.ControlSilent, Start: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), Elapsed: 2200 * time.Millisecond, Err: errors.New("no reply within 2.2s")},
			{Mode: ftpnat.PASV, Advertised: netip.AddrPortFrom(privateServer, 40001), Used: netip.AddrPortFrom(serverAddr, 40001),
				Reply: ftpnat.Reply{227, []string{"Entering Passive Mode (10,9,0,10,156,65)."}}, Start: time.Date(2026, 11, 22, 9, 30, 3, 0, time.UTC), Elapsed: 152 * time.Millisecond},
			{Mode: ftpnat.PORT, Advertised: netip.AddrPortFrom(natAddr, 50001), Cause: ftpnat.Refused, Reply: ftpnat.Reply{500, []string{"Illegal PORT command."}},
				Start: time.Date(2026, 11, 22, 9, 30, 4, 0, time.UTC), Elapsed: 50 * time.Millisecond, Err: errors.New("PORT: 500 Illegal PORT command.")},
		},
	}
	r.Conclude()
	return r
}

// fullJSON is the form of fullReport that programs read, up to the advice.
const fullJSON = `{
 "server": "ftp.example.com:21",
 "greeting": "Welcome\nto ftp.example.com",
 "features": {
  "EPSV": "",
  "MLST": "type*;size*;"
 },
 "local": "10.0.0.2",
 "remote": "198.51.100.10",
 "seen": "203.0.113.7",
 "public": "192.0.2.99",
 "nat": "yes",
 "server_nat": "yes",
 "data_addr": "10.9.0.10",
 "tls": true,
 "tls_version": "TLS 1.3",
 "tls_resumed": "yes",
 "reconnects": 1,
 "mode": "PASV",
 "works": [
  "PASV"
 ],
 "fatal": [
  "EPSV"
 ],
 "attempts": [
  {
   "mode": "EPSV",
   "cause": "ControlSilent",
   "start": "2026-11-22T09:30:00Z",
   "elapsed": "2.2s",
   "error": "no reply within 2.2s"
  },
  {
   "mode": "PASV",
   "cause": "OK",
   "advertised": "10.9.0.10:40001",
   "used": "198.51.100.10:40001",
   "reply": "227 Entering Passive Mode (10,9,0,10,156,65).",
   "start": "2026-11-22T09:30:03Z",
   "elapsed": "152ms"
  },
  {
   "mode": "PORT",
   "cause": "Refused",
   "advertised": "203.0.113.7:50001",
   "reply": "500 Illegal PORT command.",
   "start": "2026-11-22T09:30:04Z",
   "elapsed": "50ms",
   "error": "PORT: 500 Illegal PORT command."
  }
 ],
 "stopped": "the time was up",
 "rtt": "50ms",
 "advice": [`

// TestReportJSON pins the form that programs read.
func TestReportJSON(t *testing.T) {
	got, err := json.MarshalIndent(fullReport(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), fullJSON) {
		t.Errorf("got:\n%s", got)
	}
	var back struct {
		NAT    ftpnat.Finding `json:"nat"`
		Helper ftpnat.Finding `json:"helper"`
		Works  []ftpnat.Mode  `json:"works"`
		Advice []string       `json:"advice"`
	}
	if err := json.Unmarshal(got, &back); err != nil || back.NAT != ftpnat.Yes || back.Helper != ftpnat.Unknown ||
		!slices.Equal(back.Works, []ftpnat.Mode{ftpnat.PASV}) || !slices.Equal(back.Advice, fullReport().Advice()) {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if value, err := json.MarshalIndent(*fullReport(), "", " "); err != nil || string(value) != string(got) {
		t.Errorf("a Report and a *Report differ: %v\n%s", err, value)
	}
	if empty, err := json.Marshal(new(ftpnat.Report)); err != nil || string(empty) != `{"server":"","tls":false,"reconnects":0}` {
		t.Errorf("an empty report: %s, %v", empty, err)
	}
}

// TestReportText pins the page that people read.
func TestReportText(t *testing.T) {
	const want = `server      ftp.example.com:21 (198.51.100.10)
greeting    Welcome
client      10.0.0.2, seen as 203.0.113.7, behind a NAT
server NAT  yes, its 227 names the private 10.9.0.10
TLS         TLS 1.3, data connections resume the session
round trip  50ms
reconnects  1, lost at EPSV

EPSV  2.2s   no reply
PASV  152ms  it works                                        advertised 10.9.0.10:40001, dialled 198.51.100.10:40001
PORT  50ms   the server refused (500 Illegal PORT command.)  advertised 203.0.113.7:50001

Not all modes were tried: the time was up.

* Dialer.PublicAddr is 192.0.2.99, but the server sees this machine as 203.0.113.7: correct it, or
  leave it out.
* PASV works, and is found after EPSV, which costs 2.2s once. A Dialer.Memory that outlives the
  program saves that; so does Dialer.Modes = {PASV}.
* Something on the way swallows EPSV: programs that begin with that hang. Set them to PASV (passive
  mode).
* In PASV the server names 10.9.0.10, an address of its own network. It was passed over; programs
  that dial it fail. Its administrator can have it name the public one (vsftpd: pasv_address;
  ProFTPD: MasqueradeAddress; Pure-FTPd: -P).
`
	if got := fullReport().String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestReportHostile has a server that talks to the terminal.
func TestReportHostile(t *testing.T) {
	r := fullReport()
	r.Greeting = "hi \x1b[2J\u009b31m\u202e\xff\xfe"
	r.Attempts[2].Reply.Lines = []string{"no \x1b]0;x\x07 \r thanks"}
	r.Stopped = "530 \x1b[31m no\n"
	for line := range strings.Lines(r.String()) {
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\x1b\x07\r\u009b\u202e") {
			t.Errorf("printed %q", line)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestReport tells what a transfer has shown.
func TestReport(t *testing.T) {
	s := setup{near: []memnet.Box{homeNAT}, ftp: func(s *ftptest.Server) { refuseAll(s, "EPSV") }}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		before := c.Report()
		if before.NAT != ftpnat.Yes || before.ServerNAT != ftpnat.Unknown || before.Err() != nil || len(before.Advice()) != 0 || before.Mode != 0 {
			t.Errorf("before any transfer:\n%v", before)
		}
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		r := c.Report()
		if r.Mode != ftpnat.PASV || r.NAT != ftpnat.Yes || r.ServerNAT != ftpnat.No || r.Helper != ftpnat.Unknown || r.RTT != rtt || r.Local != privateClient || r.Remote != serverAddr ||
			!slices.Equal(r.Works, []ftpnat.Mode{ftpnat.PASV}) || r.Fatal != nil || !slices.Equal(r.Advice(), []string{"PASV works, and is found after EPSV."}) {
			t.Errorf("got:\n%v", r)
		}
		for name := range r.Features {
			r.Features[name] = "changed"
		}
		if v := c.Report().Features["EPSV"]; v == "changed" {
			t.Error("the report shares its features with the connection")
		}
	})
}

func TestFinding(t *testing.T) {
	for _, f := range []ftpnat.Finding{ftpnat.Unknown, ftpnat.No, ftpnat.Yes} {
		text, err := f.MarshalText()
		var back ftpnat.Finding
		if err != nil || back.UnmarshalText(text) != nil || back != f {
			t.Errorf("%v becomes %q, %v and %v", f, text, err, back)
		}
	}
	if err := new(ftpnat.Finding).UnmarshalText([]byte("maybe")); err == nil {
		t.Error("maybe is read")
	}
}

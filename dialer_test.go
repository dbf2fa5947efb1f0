package ftpnat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

func TestParseURL(t *testing.T) {
	type result struct {
		addr, user, password, dir string
		tls, implicit             bool
	}
	cases := []struct {
		url  string
		d    Dialer
		want result
		err  string
	}{
		{url: "ftp://h", want: result{"h:21", "anonymous", "anonymous@", "", false, false}},
		{url: "FTP://h:2121/a/b", want: result{"h:2121", "anonymous", "anonymous@", "a/b", false, false}},
		{url: "ftp://joe:s%40x@h/%2Fetc", want: result{"h:21", "joe", "s@x", "/etc", false, false}},
		{url: "ftp://joe@h//etc", want: result{"h:21", "joe", "", "/etc", false, false}},
		{url: "ftp://joe@h", d: Dialer{Password: "pw"}, want: result{"h:21", "joe", "pw", "", false, false}},
		{url: "ftp://joe@h", d: Dialer{User: "ann", Password: "pw"}, want: result{"h:21", "joe", "", "", false, false}},
		{url: "ftp://h/", d: Dialer{User: "ann", Password: "pw"}, want: result{"h:21", "ann", "pw", "", false, false}},
		{url: "ftp://h/dir%20x;type=i", want: result{"h:21", "anonymous", "anonymous@", "dir x", false, false}},
		{url: "ftp://[2001:db8::1]/", want: result{"[2001:db8::1]:21", "anonymous", "anonymous@", "", false, false}},
		{url: "ftpes://h", want: result{"h:21", "anonymous", "anonymous@", "", true, false}},
		{url: "ftps://h", want: result{"h:990", "anonymous", "anonymous@", "", true, true}},
		{url: "ftps://h:991", want: result{"h:991", "anonymous", "anonymous@", "", true, true}},
		{url: "ftp://h", d: Dialer{ImplicitTLS: true}, want: result{"h:990", "anonymous", "anonymous@", "", true, true}},
		{url: "sftp://h", err: `scheme "sftp"`},
		{url: "h/dir", err: "scheme"},
		{url: "ftp:///dir", err: "no host"},
		{url: "ftp://joe:secret@h:x/", err: "cannot be read"},
		{url: "ftp://joe:secret@[h/", err: "cannot be read"},
		{url: "ftp://joe:secret/2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret#2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret?2@h/", err: "cannot be read: invalid port"},
		{url: "ftp://joe:secret", err: "cannot be read: invalid port"},
		{url: "ftp://joe:x%secret@h/", err: "cannot be read"},
		{url: "ftp://joe:<secret>@h/", err: "cannot be read"},
		{url: "joe:secret@h/dir", err: `scheme "joe"`},
		{url: "ftp:joe:secret@h/dir", err: "no host"},
	}
	for _, c := range cases {
		cfg, dir, err := c.d.parseURL(c.url)
		if err != nil || c.err != "" {
			if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: err = %v, want %q", c.url, err, c.err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "%se")) {
				t.Errorf("%s: the error has the password: %v", c.url, err)
			}
			continue
		}
		got := result{cfg.addr, cfg.user, cfg.password, dir, cfg.tls != nil, cfg.implicit}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.url, got, c.want)
		}
	}
}

func TestDialerCheck(t *testing.T) {
	cases := []struct {
		d    Dialer
		want string
	}{
		{Dialer{ListenPorts: [2]uint16{5, 4}}, "ListenPorts 5-4"},
		{Dialer{ListenPorts: [2]uint16{0, 4}}, "ListenPorts 0-4"},
		{Dialer{Modes: []Mode{}}, "Modes is empty"},
		{Dialer{Modes: []Mode{9}}, "Mode(9)"},
		{Dialer{PublicAddr: netip.IPv4Unspecified()}, "PublicAddr"},
	}
	for _, c := range cases {
		if _, err := c.d.Dial(t.Context(), "192.0.2.1"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: err = %v, want %q", c.want, err, c.want)
		}
	}
	for _, addr := range []string{"", ":21", "[::1", "a:b:c"} {
		if _, err := new(Dialer).fill(addr); err == nil && addr != "[::1" {
			t.Errorf("address %q: no error", addr)
		}
	}
}

// TestDialerUnchanged has Dial leave what the caller set alone.
func TestDialerUnchanged(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		before := reflect.ValueOf(w.d).Elem()
		var fields []any
		for i := range before.NumField() {
			if f := before.Field(i); f.CanInterface() && f.Kind() != reflect.Func {
				fields = append(fields, f.Interface())
			}
		}
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range before.NumField() {
			if f := before.Field(i); f.CanInterface() && f.Kind() != reflect.Func {
				if !reflect.DeepEqual(f.Interface(), fields[n]) {
					t.Errorf("%s was changed", before.Type().Field(i).Name)
				}
				n++
			}
		}
	})
}

var globalDialer Dialer

// TestMemoryOf keeps a memory for each Dialer, and no longer than it.
func TestMemoryOf(t *testing.T) {
	count := func() (n int) {
		memories.Range(func(any, any) bool { n++; return true })
		return n
	}
	a, b := new(Dialer), new(Dialer)
	of := map[*Dialer]*MemoryMap{a: memoryOf(a), b: memoryOf(b), &globalDialer: memoryOf(&globalDialer)}
	for d, m := range of {
		if memoryOf(d) != m || d != a && m == of[a] {
			t.Error("a memory is shared or lost")
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	for range 100 {
		memoryOf(new(Dialer))
	}
	for range 1000 {
		if runtime.GC(); count() < 50 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d memories are kept", count())
}

func TestMemoryMap(t *testing.T) {
	var m MemoryMap
	p := Path{"h:21", netip.MustParsePrefix("192.0.2.0/24")}
	want := Lesson{Mode: PORT, Source: "public", Public: natAddr, Avoid: []Mode{EPSV}, Seen: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	m.Learn(p, want)
	m.Learn(Path{Server: "a:21"}, Lesson{Mode: PASV})
	data, err := json.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	const text = `[{"server":"a:21","mode":"PASV"},{"server":"h:21","network":"192.0.2.0/24","mode":"PORT","addr":"public","public":"203.0.113.7","avoid":["EPSV"],"seen":"2026-11-22T00:00:00Z"}]`
	if string(data) != text {
		t.Errorf("got  %s\nwant %s", data, text)
	}
	var back MemoryMap
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if got, ok := back.Recall(p); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, ok)
	}
	back.Forget(p)
	if _, ok := back.Recall(p); ok {
		t.Error("a path that was forgotten is there")
	}
	for _, bad := range []string{`{}`, `[{"mode":"XXXX"}]`, `[{"network":"x"}]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	for i := range maxPaths + 10 {
		back.Learn(Path{Server: "many", Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)}, Lesson{Seen: time.Unix(int64(i), 0)})
	}
	if len(back.lessons) != maxPaths {
		t.Errorf("%d paths, want %d", len(back.lessons), maxPaths)
	}
	if _, ok := back.Recall(Path{Server: "a:21"}); ok {
		t.Error("the oldest did not make room")
	}
}

// TestTrace has hooks of two contexts called, in order, and no secret in any.
func TestTrace(t *testing.T) {
	inBubble(t, setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}, ftp: func(s *ftptest.Server) {
		s.Users = map[string]string{"joe": "Hush1"}
		s.Script = []ftptest.Step{{On: "PASS", Nth: 1, Reply: "530 'PASS Hush1' is wrong"}}
	}}, func(t *testing.T, w *world) {
		var order, log bytes.Buffer
		ctx := WithTrace(w.ctx, &Trace{Command: func(string) { order.WriteByte('a') }})
		ctx = WithTrace(ctx, &Trace{Command: func(string) { order.WriteByte('b') }})
		ctx = WithTrace(ctx, nil)
		ctx = WithTrace(ctx, SlogTrace(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		w.d.User, w.d.Password = "joe", "Hush1"
		_, err := w.d.Dial(ctx, w.addr)
		var re *ReplyError
		if !errors.As(err, &re) {
			t.Errorf("the first login: %v", err)
		}
		c, err2 := w.d.Dial(ctx, w.addr)
		if err2 != nil {
			t.Fatal(err2)
		}
		w.ctx = ctx
		if err := w.fetch(c); err != nil {
			t.Error(err)
		}
		c.Close()
		if s := order.String(); s != strings.Repeat("ab", len(s)/2) || s == "" {
			t.Errorf("the hooks were called in the order %s", s)
		}
		all := log.String() + w.log.String() + err.Error()
		if strings.Contains(all, "Hush1") {
			t.Error("the password is in the trace or the error")
		}
		for _, want := range []string{"ftp connect", "ftp command", "ftp reply", "ftp control connection lost", "ftp data connection"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %q", want)
			}
		}
	})
}

// TestMapper uses the mapping of a NAT and gives it back.
func TestMapper(t *testing.T) {
	s := setup{near: []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent,
		Forwards: []memnet.Forward{{Ports: memnet.PortRange{First: 50000, Last: 50009}, To: privateClient, ToPort: 40000}}}},
		far:    []memnet.Box{activeOnly},
		dialer: func(d *Dialer) { d.ListenPorts = [2]uint16{40000, 40009} }}
	inBubble(t, s, func(t *testing.T, w *world) {
		m := new(testMapper)
		w.d.Mapper = m
		c := w.dial()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		if err := w.store(c); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if m.mapped == 0 || m.mapped != m.released {
			t.Errorf("%d ports were mapped, %d released", m.mapped, m.released)
		}
	})
}

type testMapper struct{ mapped, released int }

func (m *testMapper) Map(_ context.Context, local netip.AddrPort) (Mapping, error) {
	m.mapped++
	return Mapping{netip.AddrPortFrom(natAddr, local.Port()+10000), func() error { m.released++; return nil }}, nil
}

func TestCauses(t *testing.T) {
	for c := OK; int(c) < len(causes); c++ {
		name, err := c.MarshalText()
		if err != nil || len(name) == 0 || c.String() == "" || (c.Advice() == "") != (c == OK) {
			t.Errorf("cause %d: %q, %q, %q, %v", c, name, c, c.Advice(), err)
		}
	}
	if got := Cause(200).String(); got != "cause 200" {
		t.Errorf("got %q", got)
	}
}

// TestRelent doubts after a day what was only slower, and keeps the rest.
func TestRelent(t *testing.T) {
	for age, want := range map[time.Duration]Finding{time.Hour: No, 25 * time.Hour: Unknown} {
		l := Lesson{Mode: PASV, Avoid: []Mode{EPSV}, Seen: time.Now().Add(-age), Flight: No, Queue: Yes, Ahead: No}
		l.relent()
		if l.Flight != want || l.Ahead != want || l.Queue != Yes || l.Mode != PASV || len(l.Avoid) != 1 {
			t.Errorf("after %v: %+v", age, l)
		}
	}
}

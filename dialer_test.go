package ftpnat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

func TestDialerCheck(t *testing.T) {
	cases := []struct {
		d    ftpnat.Dialer
		want string
	}{
		{ftpnat.Dialer{ListenPorts: [2]uint16{5, 4}}, "ListenPorts 5-4"},
		{ftpnat.Dialer{ListenPorts: [2]uint16{0, 4}}, "ListenPorts 0-4"},
		{ftpnat.Dialer{Modes: []ftpnat.Mode{}}, "Modes is empty"},
		{ftpnat.Dialer{Modes: []ftpnat.Mode{9}}, "Mode(9)"},
		{ftpnat.Dialer{PublicAddr: netip.IPv4Unspecified()}, "PublicAddr"},
	}
	for _, c := range cases {
		if _, err := c.d.Dial(t.Context(), "192.0.2.1"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: err = %v, want %q", c.want, err, c.want)
		}
	}
	for _, addr := range []string{"", ":21", "[::1", "a:b:c"} {
		dialled := false
		d := ftpnat.Dialer{DialContext: func(context.Context, string, string) (net.Conn, error) {
			dialled = true
			return nil, io.EOF
		}}
		if _, err := d.Dial(t.Context(), addr); err == nil || dialled && addr != "[::1" {
			t.Errorf("address %q: %v, dialled: %v", addr, err, dialled)
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

func TestMemoryMap(t *testing.T) {
	var m ftpnat.MemoryMap
	p := ftpnat.Path{"h:21", netip.MustParsePrefix("192.0.2.0/24")}
	want := ftpnat.Lesson{Mode: ftpnat.PORT, Source: "public", Public: natAddr, Avoid: []ftpnat.Mode{ftpnat.EPSV}, Seen: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	m.Learn(p, want)
	m.Learn(ftpnat.Path{Server: "a:21"}, ftpnat.Lesson{Mode: ftpnat.PASV})
	data, err := json.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	const text = `[{"server":"a:21","mode":"PASV"},{"server":"h:21","network":"192.0.2.0/24","mode":"PORT","addr":"public","public":"203.0.113.7","avoid":["EPSV"],"seen":"2026-11-22T00:00:00Z"}]`
	if string(data) != text {
		t.Errorf("got  %s\nwant %s", data, text)
	}
	var back ftpnat.MemoryMap
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
	const maxPaths = 4096
	for i := range maxPaths + 10 {
		back.Learn(ftpnat.Path{Server: "many", Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)}, ftpnat.Lesson{Seen: time.Unix(int64(i), 0)})
	}
	if n := len(lessons(t, &back)); n != maxPaths {
		t.Errorf("%d paths, want %d", n, maxPaths)
	}
	if _, ok := back.Recall(ftpnat.Path{Server: "a:21"}); ok {
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
		ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Command: func(string) { order.WriteByte('a') }})
		ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{Command: func(string) { order.WriteByte('b') }})
		ctx = ftpnat.WithTrace(ctx, nil)
		ctx = ftpnat.WithTrace(ctx, ftpnat.SlogTrace(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		w.d.User, w.d.Password = "joe", "Hush1"
		_, err := w.d.Dial(ctx, w.Addr)
		var re *ftpnat.ReplyError
		if !errors.As(err, &re) {
			t.Errorf("the first login: %v", err)
		}
		c, err2 := w.d.Dial(ctx, w.Addr)
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
		dialer: func(d *ftpnat.Dialer) { d.ListenPorts = [2]uint16{40000, 40009} }}
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

func (m *testMapper) Map(_ context.Context, local netip.AddrPort) (ftpnat.Mapping, error) {
	m.mapped++
	return ftpnat.Mapping{netip.AddrPortFrom(natAddr, local.Port()+10000), func() error { m.released++; return nil }}, nil
}

func TestCauses(t *testing.T) {
	for c := ftpnat.OK; c <= ftpnat.ProxyRefused; c++ {
		name, err := c.MarshalText()
		if err != nil || len(name) == 0 || c.String() == "" || (c.Advice() == "") != (c == ftpnat.OK) {
			t.Errorf("cause %d: %q, %q, %q, %v", c, name, c, c.Advice(), err)
		}
	}
	if name, err := (ftpnat.ProxyRefused + 1).MarshalText(); err == nil {
		t.Errorf("a cause %q that is not tested", name)
	}
	if got := ftpnat.Cause(200).String(); got != "cause 200" {
		t.Errorf("got %q", got)
	}
}

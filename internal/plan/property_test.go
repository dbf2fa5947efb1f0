package plan

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// FuzzMake checks what must hold of every plan.
func FuzzMake(f *testing.F) {
	v4, v6 := netip.MustParseAddr(private).AsSlice(), netip.MustParseAddr(server6).AsSlice()
	f.Add([]byte(nil), v4, v4, byte(0), byte(0), byte(0), []byte(nil))
	f.Add([]byte{4, 3, 2, 1, 1}, v4, v4, byte(0xff), byte(3), byte(4), []byte{3})
	f.Add([]byte{3, 1}, v6, v6, byte(0x08), byte(3), byte(3), []byte{1, 2, 3, 4})
	f.Add([]byte{0, 9}, v6, v4, byte(0x02), byte(4), byte(4), []byte{4})
	f.Fuzz(func(t *testing.T, allowed, local, server []byte, flags, mode, source byte, avoid []byte) {
		in := Input{
			TLS: flags&1 != 0, Proxy: flags&2 != 0, Trust: flags&4 != 0, HasPublic: flags&8 != 0,
			Proven: Step{Mode(mode), Source(source)},
		}
		in.Local, _ = netip.AddrFromSlice(local)
		in.Server, _ = netip.AddrFromSlice(server)
		for _, m := range allowed {
			in.Modes = append(in.Modes, Mode(m))
		}
		for _, m := range avoid {
			in.Avoid = append(in.Avoid, Mode(m))
		}
		checkPlan(t, in, Make(in))
	})
}

func checkPlan(t *testing.T, in Input, steps []Step) {
	t.Helper()
	for i, s := range steps {
		switch {
		case slices.Contains(steps[:i], s):
			t.Errorf("%v comes twice in %s", s, spell(steps))
		case in.Modes != nil && !slices.Contains(in.Modes, s.Mode):
			t.Errorf("%v is not allowed: %s", s, spell(steps))
		case in.Proxy && !s.Mode.Passive():
			t.Errorf("%v behind a proxy: %s", s, spell(steps))
		case s.Mode == PORT && in.Server.Is6() && !in.Server.Is4In6():
			t.Errorf("%v over IPv6: %s", s, spell(steps))
		case s.Source == Advertised && !in.Trust:
			t.Errorf("%v dials a third party: %s", s, spell(steps))
		case s.Mode.Passive() != (s.Source == Peer || s.Source == Advertised):
			t.Errorf("%v makes no sense: %s", s, spell(steps))
		case s == in.Proven && i > 0:
			t.Errorf("the proven %v is not the first of %s", s, spell(steps))
		}
	}
	last := slices.IndexFunc(steps, func(s Step) bool { return s != in.Proven && slices.Contains(in.Avoid, s.Mode) })
	if last < 0 {
		return
	}
	for _, s := range steps[last:] {
		if !slices.Contains(in.Avoid, s.Mode) {
			t.Errorf("%v comes after what is to be avoided: %s", s, spell(steps))
		}
	}
}

// FuzzTimers checks what must hold of every limit.
func FuzzTimers(f *testing.F) {
	f.Add(int64(50*ms), int64(ms), int64(15*sec), 3)
	f.Add(int64(time.Hour), int64(-1), int64(ms), 0)
	f.Fuzz(func(t *testing.T, rtt, lag, attempt int64, n int) {
		if rtt < 0 || attempt < 1 {
			t.Skip("time does not run backwards")
		}
		limit := time.Duration(attempt)
		quick := Quick(time.Duration(rtt), limit)
		brisk := Brisk(quick, time.Duration(rtt), time.Duration(lag))
		patient := Patient(quick, n, Left(limit, time.Duration(max(lag, 0))))
		for _, d := range [][3]time.Duration{
			{brisk.Dial, quick.Dial, patient.Dial}, {brisk.Reply, quick.Reply, patient.Reply}, {brisk.Accept, quick.Accept, patient.Accept},
			{brisk.Start, quick.Start, limit},
		} {
			if b, q, p := d[0], d[1], d[2]; b <= 0 || q < b || q > limit || p < q || p > limit {
				t.Errorf("brisk %v, quick %v, patient %v: not 0 < brisk <= quick <= patient <= %v", b, q, p, limit)
			}
		}
	})
}

func BenchmarkMake(b *testing.B) {
	in := path(private, server, trusting, proven(PASV, Peer), avoiding(EPSV))
	b.ReportAllocs()
	for b.Loop() {
		Make(in)
	}
}

func BenchmarkQuick(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Quick(50*time.Millisecond, 15*time.Second)
	}
}

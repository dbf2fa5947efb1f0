package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// note plays "LINE = CODE" lines into a state.
func note(t testing.TB, s *State, lines ...string) {
	t.Helper()
	for _, l := range lines {
		line, code, ok := strings.Cut(l, " = ")
		var r proto.Reply
		if n, _ := fmt.Sscan(code, &r.Code); !ok || n != 1 {
			t.Fatalf("no such step: %q", l)
		}
		s.Note(line, r)
	}
}

// dialogues are commands with the replies to them, and what of it has to be done
// again in a new session.
var dialogues = []struct {
	name                 string
	notes                []string
	before, login, after []string
	rename               string
	loggedIn             bool
}{
	{name: "nothing"},
	{name: "USER alone", notes: []string{"USER me = 230"}, login: []string{"USER me"}, loggedIn: true},
	{name: "half a login", notes: []string{"USER me = 331"}, login: []string{"USER me"}},
	{name: "a login", notes: []string{"USER me = 331", "PASS x = 230"}, login: []string{"USER me", "PASS x"}, loggedIn: true},
	{name: "in small letters", notes: []string{"user me = 331", "pass x = 230", "type i = 200"},
		login: []string{"user me", "pass x"}, after: []string{"type i"}, loggedIn: true},
	{name: "a password that was superfluous", notes: []string{"USER me = 331", "PASS x = 202"}, login: []string{"USER me", "PASS x"}, loggedIn: true},
	{name: "an account", notes: []string{"USER me = 331", "PASS x = 332", "ACCT y = 230"}, login: []string{"USER me", "PASS x", "ACCT y"}, loggedIn: true},
	{name: "an account that is asked for", notes: []string{"USER me = 331", "PASS x = 332"}, login: []string{"USER me", "PASS x"}},
	{name: "USER refused", notes: []string{"USER me = 530"}},
	{name: "PASS refused", notes: []string{"USER me = 331", "PASS x = 530"}, login: []string{"USER me"}},
	{name: "PASS refused, then not", notes: []string{"USER me = 331", "PASS x = 530", "PASS y = 230"}, login: []string{"USER me", "PASS y"}, loggedIn: true},
	{name: "PASS again and again", notes: []string{"USER me = 331", "PASS x = 230", "PASS x = 230", "PASS x = 202"}, login: []string{"USER me", "PASS x"}, loggedIn: true},
	{name: "ACCT again", notes: []string{"USER me = 331", "PASS x = 230", "ACCT y = 230", "ACCT z = 230"}, login: []string{"USER me", "PASS x", "ACCT z"}, loggedIn: true},
	{name: "another USER refused", notes: []string{"USER me = 230", "USER you = 530"}, login: []string{"USER me"}, loggedIn: true},
	{name: "another USER keeps the settings and not the directory",
		notes: []string{"USER me = 230", "TYPE I = 200", "CWD /a = 250", "RNFR b = 350", "USER you = 331", "PASS x = 230"},
		login: []string{"USER you", "PASS x"}, after: []string{"TYPE I"}, loggedIn: true},
	{name: "REIN", notes: []string{"HOST h = 220", "USER me = 230", "TYPE I = 200", "CWD /a = 250", "REIN = 220"}},
	{name: "REIN refused", notes: []string{"USER me = 230", "TYPE I = 200", "REIN = 502"}, login: []string{"USER me"}, after: []string{"TYPE I"}, loggedIn: true},

	{name: "ahead of the login", notes: []string{"OPTS UTF8 ON = 200", "HOST h = 220", "CLNT c = 200", "USER me = 230", "CLNT d = 200"},
		before: []string{"OPTS UTF8 ON", "HOST h"}, login: []string{"USER me"}, after: []string{"CLNT d"}, loggedIn: true},
	{name: "HOST after the login", notes: []string{"USER me = 230", "HOST h = 220"}, before: []string{"HOST h"}, login: []string{"USER me"}, loggedIn: true},
	{name: "settings in their order, the last value of each",
		notes:  []string{"TYPE A = 200", "MODE Z = 200", "STRU F = 200", "LANG de = 200", "OPTS utf8 on = 200", "OPTS MLST a = 200", "TYPE L 8 = 200", "OPTS UTF8 OFF = 200", "SITE UMASK 7 = 200", "site umask 22 = 200"},
		before: []string{"TYPE L 8", "MODE Z", "STRU F", "LANG de", "OPTS UTF8 OFF", "OPTS MLST a", "site umask 22"}},
	{name: "settings refused", notes: []string{"TYPE I = 200", "TYPE E = 504", "MODE B = 502", "OPTS UTF8 = 501", "SITE UMASK x = 500"}, before: []string{"TYPE I"}},
	{name: "an answer that is none yet", notes: []string{"TYPE I = 150", "CWD /a = 350"}},
	{name: "what sets nothing", notes: []string{"PBSZ 0 = 200", "PROT P = 200", "NOOP = 200", "SITE UMASK = 200", "SITE HELP = 214", "SITE = 200", "FEAT = 211", "STOR x = 226", "EPSV = 229", "REST 5 = 350"}},

	{name: "directories", notes: []string{"CWD a = 250", "XCWD b = 200", "CDUP = 250", "XCUP = 200", "CWD x = 550"}, after: []string{"CWD a", "XCWD b", "CDUP", "XCUP"}},
	{name: "an absolute one", notes: []string{"CWD a = 250", "CWD /b = 250", "CWD c = 250"}, after: []string{"CWD /b", "CWD c"}},
	{name: "an absolute one refused", notes: []string{"CWD a = 250", "CWD /b = 550"}, after: []string{"CWD a"}},
	{name: "settings, then directories", notes: []string{"CWD a = 250", "USER me = 230", "CWD b = 250", "TYPE I = 200"}, login: []string{"USER me"}, after: []string{"TYPE I", "CWD b"}, loggedIn: true},

	{name: "a rename", notes: []string{"RNFR a = 350"}, rename: "RNFR a"},
	{name: "a rename refused", notes: []string{"RNFR a = 550"}},
	{name: "a second one refused", notes: []string{"RNFR a = 350", "RNFR b = 550"}},
	{name: "a second one", notes: []string{"RNFR a = 350", "RNFR b = 350"}, rename: "RNFR b"},
	{name: "a rename done", notes: []string{"RNFR a = 350", "RNTO b = 250"}},
	{name: "a rename failed", notes: []string{"RNFR a = 350", "RNTO b = 553"}},
	{name: "a rename given up", notes: []string{"RNFR a = 350", "NOOP = 200"}},
}

func TestState(t *testing.T) {
	for _, tt := range dialogues {
		t.Run(tt.name, func(t *testing.T) {
			var s State
			note(t, &s, tt.notes...)
			for _, c := range []struct {
				what      string
				got, want []string
			}{{"Before", s.Before(), tt.before}, {"Login", s.Login(), tt.login}, {"After", s.After(), tt.after}} {
				if !slices.Equal(c.got, c.want) {
					t.Errorf("%s = %q, want %q", c.what, c.got, c.want)
				}
			}
			if s.Rename() != tt.rename || s.LoggedIn() != tt.loggedIn {
				t.Errorf("Rename = %q, LoggedIn = %v", s.Rename(), s.LoggedIn())
			}
		})
	}
}

func TestUnanswered(t *testing.T) {
	var s State
	note(t, &s, "USER me = 230", "CWD a = 250", "RNFR x = 350")
	s.Unanswered()
	if s.Rename() != "" || !slices.Equal(s.After(), []string{"CWD a"}) || !s.LoggedIn() {
		t.Errorf("Rename = %q, After = %q", s.Rename(), s.After())
	}
}

func TestSetDir(t *testing.T) {
	tests := []struct{ dir, want string }{
		{"/a b", "CWD /a b"},
		{"DKA0:[USER]", "CWD DKA0:[USER]"},
		{"'USER.'", "CWD 'USER.'"},
		{"", "CWD x"},
		{"/a\r\nDELE b", "CWD x"},
		{"/a\x00", "CWD x"},
	}
	for _, tt := range tests {
		var s State
		note(t, &s, "CWD x = 250")
		s.SetDir(tt.dir)
		if got := s.After(); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("SetDir(%q): %q", tt.dir, got)
		}
	}
}

func TestNeedPWD(t *testing.T) {
	var s State
	var asked []int
	for i := 1; i <= 60; i++ {
		note(t, &s, "CWD x = 250")
		if s.NeedPWD() {
			asked = append(asked, i)
		}
	}
	if want := []int{17, 34, 51}; !reflect.DeepEqual(asked, want) {
		t.Errorf("PWD asked for after %v steps, want %v", asked, want)
	}
}

// FuzzState: what is repeated was said before, can be said, and leads to the
// same state again.
func FuzzState(f *testing.F) {
	f.Add("USER me", 331, "PASS x", 230, "CWD /a", 250)
	f.Add("OPTS UTF8 ON", 200, "USER me", 230, "TYPE I", 200)
	f.Add("CWD a", 250, "SITE UMASK 22", 200, "RNFR x", 350)
	f.Add("HOST h", 220, "REIN", 220, "ACCT", 332)
	f.Fuzz(func(t *testing.T, l1 string, c1 int, l2 string, c2 int, l3 string, c3 int) {
		var s State
		said := map[string]int{}
		for i, l := range []string{l1, l2, l3} {
			s.Note(l, proto.Reply{Code: []int{c1, c2, c3}[i]})
			said[l] = []int{c1, c2, c3}[i]
		}
		lines := slices.Concat(s.Before(), s.Login(), s.After())
		if s.Rename() != "" {
			lines = append(lines, s.Rename())
		}
		var again State
		for _, l := range lines {
			code, ok := said[l]
			if !ok {
				t.Errorf("%q was never said", l)
			}
			again.Note(l, proto.Reply{Code: code})
		}
		if len(said) < 3 || s.Login() == nil {
			return // one line with two codes; or no login to tell early from late
		}
		if !slices.Equal(again.Login(), s.Login()) || again.Rename() != s.Rename() || !slices.Equal(again.After(), s.After()) {
			t.Errorf("%+v\nbecomes\n%+v", s, again)
		}
	})
}

// TestHome: the way back is that from the start, whatever was entered meanwhile.
func TestHome(t *testing.T) {
	var s State
	done := proto.Reply{Code: 250, Lines: []string{"ok"}}
	s.Note("USER me", proto.Reply{Code: 230})
	s.Note("CWD a", done)
	s.Note("CWD b", done)
	s.SetHome()
	for range 2 {
		s.Note("CWD /x", done)
		s.Note("CDUP", done)
		s.GoHome()
		if got := s.After(); !slices.Equal(got, []string{"CWD a", "CWD b"}) {
			t.Errorf("After = %q", got)
		}
	}
}

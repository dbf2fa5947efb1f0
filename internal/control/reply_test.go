package control

import (
	"bufio"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// readAll reads replies until there are no more.
func readAll(text string) (replies []proto.Reply, err error) {
	br := bufio.NewReaderSize(strings.NewReader(text), readSize)
	for {
		r, err := readReply(br, new(shelf))
		if err != nil {
			return replies, err
		}
		replies = append(replies, r)
	}
}

func one(code int, lines ...string) []proto.Reply { return []proto.Reply{{Code: code, Lines: lines}} }

// replyTexts are what servers send, and how it is read.
var replyTexts = []struct {
	name, text string
	want       []proto.Reply
	err        string // io.EOF's where empty
}{
	{"one line", "220 ready\r\n", one(220, "ready"), ""},
	{"LF alone", "220 ready\n", one(220, "ready"), ""},
	{"CR CR LF", "220 ready\r\r\n", one(220, "ready"), ""},
	{"no text", "220\r\n", one(220, ""), ""},
	{"no text but the blank", "220 \r\n", one(220, ""), ""},
	{"text of blanks", "220  two\r\n", one(220, " two"), ""},
	{"a tab for the blank", "220\tready\r\n", one(220, "ready"), ""},
	{"not UTF-8", "220 caf\xe9\r\n", one(220, "caf\xe9"), ""},
	{"protected (RFC 2228)", "631 AAAA\r\n", one(631, "AAAA"), ""},
	{"two replies", "150 here\r\n226 done\r\n", []proto.Reply{{Code: 150, Lines: []string{"here"}}, {Code: 226, Lines: []string{"done"}}}, ""},

	{"many lines", "211-Features:\r\n MDTM\r\n SIZE\r\n211 End\r\n", one(211, "Features:", " MDTM", " SIZE", "End"), ""},
	{"two lines", "230-Welcome\r\n230 Logged in\r\n", one(230, "Welcome", "Logged in"), ""},
	{"the code on each line", "211-A\r\n211-B\r\n211 C\r\n", one(211, "A", "B", "C"), ""},
	{"no text at all", "211-\r\n211\r\n", one(211, "", ""), ""},
	{"the end without text", "211-A\r\n211\r\n", one(211, "A", ""), ""},
	{"CR CR LF on each line", "211-A\r\r\n B\r\r\n211-C\r\r\n211\r\r\n", one(211, "A", " B\r", "C", ""), ""},
	{"empty lines inside", "230-A\r\n\r\n\r\n230 B\r\n", one(230, "A", "", "", "B"), ""},
	{"other numbers inside", "211-A\r\n220 not the end\r\n999 nor this\r\n2110 nor this\r\n211- \r\n 211 indented\r\n211 B\r\n",
		one(211, "A", "220 not the end", "999 nor this", "2110 nor this", " ", " 211 indented", "B"), ""},
	{"another code's lines inside", "226-A\r\n226x\r\n150-B\r\n226 C\r\n", one(226, "A", "226x", "150-B", "C"), ""},
	{"many lines, then one", "230-A\r\n230 B\r\n200 C\r\n", []proto.Reply{{Code: 230, Lines: []string{"A", "B"}}, {Code: 200, Lines: []string{"C"}}}, ""},

	{"empty lines ahead", "\r\n\n220 ready\r\n", one(220, "ready"), ""},
	{"empty lines between", "220 a\r\n\r\n\r\n200 b\r\n", []proto.Reply{{Code: 220, Lines: []string{"a"}}, {Code: 200, Lines: []string{"b"}}}, ""},
	{"empty lines, almost too many", strings.Repeat("\n", maxBlanks-1) + "220 a\n", one(220, "a"), ""},
	{"empty lines without end", strings.Repeat("\n", maxBlanks) + "220 a\n", nil, "not an FTP reply: nothing but empty lines"},
	{"Telnet negotiation ahead", "\xff\xfb\x01\xff\xfd\x03220 ready\r\n", one(220, "ready"), ""},
	{"Telnet negotiation on a line of its own", "\xff\xfd\x25\r\n220 ready\r\n", one(220, "ready"), ""},
	{"Telnet negotiation cut short", "\xff\xfb\r\n220 ready\r\n", nil, `not an FTP reply: a line without a reply code: "\xff\xfb"`},

	{"a line as long as can be", "220 " + strings.Repeat("x", maxLine-5) + "\n", one(220, strings.Repeat("x", maxLine-5)), ""},
	{"a line one byte longer", "220 " + strings.Repeat("x", maxLine-4) + "\n", nil, `not an FTP reply: a line of more than 16384 bytes: "220 ` + strings.Repeat("x", 76) + `..."`},
	{"a line without end", strings.Repeat("7", 1<<20), nil, `not an FTP reply: a line of more than 16384 bytes: "` + strings.Repeat("7", 80) + `..."`},
	{"lines without end", "211-A\n" + strings.Repeat("x\n", maxLines), nil, "not an FTP reply: a 211 reply without an end, given up after 50000 lines"},
	{"as many lines as can be", "211-A\n" + strings.Repeat("\n", maxLines-2) + "211 B\n", one(211, append(append([]string{"A"}, make([]string, maxLines-2)...), "B")...), ""},
	{"bytes without end", "211-A\n" + strings.Repeat(strings.Repeat("x", 8191)+"\n", 520), nil, "not an FTP reply: a 211 reply without an end, given up after 513 lines"},

	{"nothing", "", nil, ""},
	{"cut in a line", "220 rea", nil, "unexpected EOF"},
	{"cut in the code", "22", nil, "unexpected EOF"},
	{"cut before the end of line", "220 ready", nil, "unexpected EOF"},
	{"cut between lines", "211-A\r\n B\r\n", nil, "unexpected EOF"},
	{"cut in the last line", "211-A\r\n211 E", nil, "unexpected EOF"},
	{"cut after a reply", "220 ready\r\n2", one(220, "ready"), "unexpected EOF"},

	{"words", "hello\r\n", nil, `not an FTP reply: a line without a reply code: "hello"`},
	{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", nil, `not an FTP reply: a line without a reply code: "SSH-2.0-OpenSSH_9.6"`},
	{"HTTP", "HTTP/1.1 400 Bad Request\r\n", nil, `not an FTP reply: a line without a reply code: "HTTP/1.1 400 Bad Request"`},
	{"a code too low", "099 x\r\n", nil, `not an FTP reply: a line without a reply code: "099 x"`},
	{"a code too high", "700 x\r\n", nil, `not an FTP reply: a line without a reply code: "700 x"`},
	{"two digits", "22 x\r\n", nil, `not an FTP reply: a line without a reply code: "22 x"`},
	{"a sign", "-20 x\r\n", nil, `not an FTP reply: a line without a reply code: "-20 x"`},
	{"digits of another script", "２２０ x\r\n", nil, `not an FTP reply: a line without a reply code: "２２０ x"`},
}

func TestReadReply(t *testing.T) {
	for _, tt := range replyTexts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readAll(tt.text)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %.200q\nwant %.200q", got, tt.want)
			}
			if want := tt.err; want == "" && err != io.EOF || want != "" && err.Error() != want {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

func TestReplyWords(t *testing.T) {
	tests := []struct {
		code                  int
		preliminary, positive bool
	}{
		{120, true, true}, {150, true, true}, {200, false, true}, {226, false, true}, {331, false, true},
		{350, false, true}, {421, false, false}, {550, false, false}, {631, false, false}, {0, false, false},
	}
	for _, tt := range tests {
		r := proto.Reply{Code: tt.code}
		if r.Preliminary() != tt.preliminary || r.Positive() != tt.positive {
			t.Errorf("%d: Preliminary %v, Positive %v", tt.code, r.Preliminary(), r.Positive())
		}
	}
	r := proto.Reply{Code: 230, Lines: []string{"Hello", "", "there"}}
	if got := r.Text(); got != "Hello\n\nthere" {
		t.Errorf("Text = %q", got)
	}
	if got := r.String(); got != "230 Hello /  / there" {
		t.Errorf("String = %q", got)
	}
}

func TestParseDir(t *testing.T) {
	tests := []struct {
		reply proto.Reply
		want  string
	}{
		{proto.Reply{Code: 257, Lines: []string{`"/home/me" is the current directory`}}, "/home/me"},
		{proto.Reply{Code: 257, Lines: []string{`"/"`}}, "/"},
		{proto.Reply{Code: 257, Lines: []string{`"/a ""quoted"" name" is current`}}, `/a "quoted" name`},
		{proto.Reply{Code: 257, Lines: []string{`"/ends in a quote""" ok`}}, `/ends in a quote"`},
		{proto.Reply{Code: 257, Lines: []string{`'USER.' is not quoted`}}, ""},
		{proto.Reply{Code: 257, Lines: []string{`"DKA0:[USER]" is current`}}, "DKA0:[USER]"},
		{proto.Reply{Code: 257, Lines: []string{`"/never ends`}}, ""},
		{proto.Reply{Code: 257, Lines: []string{`"/never ends""`}}, ""},
		{proto.Reply{Code: 257, Lines: []string{`""`}}, ""},
		{proto.Reply{Code: 257, Lines: nil}, ""},
		{proto.Reply{Code: 250, Lines: []string{`"/home"`}}, ""},
		{proto.Reply{Code: 550, Lines: []string{`"/home": no`}}, ""},
	}
	for _, tt := range tests {
		if got := ParseDir(tt.reply); got != tt.want {
			t.Errorf("ParseDir(%v) = %q, want %q", tt.reply, got, tt.want)
		}
	}
}

func TestParseFeatures(t *testing.T) {
	tests := []struct {
		lines []string
		want  map[string]string
	}{
		{[]string{"Features:", " MDTM", " MLST type*;size*;", " utf8", "End"}, map[string]string{"MDTM": "", "MLST": "type*;size*;", "UTF8": ""}},
		{[]string{"Features:", "EPSV", "  PRET  ", "", "End"}, map[string]string{"EPSV": "", "PRET": ""}},
		{[]string{"Features:", "End"}, map[string]string{}},
		{[]string{"no features"}, map[string]string{}},
	}
	for _, tt := range tests {
		if got := parseFeatures(proto.Reply{Code: 211, Lines: tt.lines}); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("parseFeatures(%q) = %v, want %v", tt.lines, got, tt.want)
		}
	}
}

func TestLostError(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{io.EOF, "the control connection was closed by the other end"},
		{io.ErrUnexpectedEOF, "the control connection was closed by the other end in the middle of a reply"},
		{errors.New("no route"), "the control connection was lost: no route"},
	}
	for _, tt := range tests {
		err := &proto.LostError{Err: tt.err}
		if err.Error() != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%v: %q", tt.err, err)
		}
	}
}

// FuzzReadReply: whatever comes, the reader neither panics nor takes more
// than it may, and what it has read reads the same when written again.
func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"220 ready\r\n", "211-A\r\n B\r\n211 C\r\n", "\xff\xfb\x01220 x\r\n", "\r\n\r\n220\n", "226-A\n226-226 B\n226 C\n", "22", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		replies, err := readAll(string(b))
		var pe *ProtocolError
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.As(err, &pe) {
			t.Errorf("error %v", err)
		}
		size := 0
		for _, r := range replies {
			if r.Code < 100 || r.Code > 699 || len(r.Lines) == 0 || len(r.Lines) > maxLines+1 {
				t.Errorf("reply %d with %d lines", r.Code, len(r.Lines))
			}
			for _, l := range r.Lines {
				size += len(l)
				if strings.Contains(l, "\n") {
					t.Errorf("a line holds its end: %q", l)
				}
			}
		}
		if size > len(b) {
			t.Errorf("%d bytes made out of %d", size, len(b))
		}
	})
}

func BenchmarkReadReply(b *testing.B) {
	for _, bm := range []struct{ name, text string }{
		{"one", "226 Transfer complete.\r\n"},
		{"feat", "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n MLST type*;size*;modify*;\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End\r\n"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			src := strings.NewReader(bm.text)
			br := bufio.NewReaderSize(src, readSize)
			b.ReportAllocs()
			b.SetBytes(int64(len(bm.text)))
			for b.Loop() {
				src.Reset(bm.text)
				br.Reset(src)
				if _, err := readReply(br, new(shelf)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

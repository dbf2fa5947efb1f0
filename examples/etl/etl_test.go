package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

var update = flag.Bool("update", false, "write the golden file")

// plant is a tree on a server and a database to load it into.
type plant struct {
	t    *testing.T
	tree *ftptest.Tree
	file string
	out  bytes.Buffer // of the last run
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	return &plant{t: t, tree: ftptest.NewTree(), file: filepath.Join(t.TempDir(), "a b?c%.db")}
}

func (p *plant) put(name string, data []byte) {
	p.t.Helper()
	p.putAt(name, written, data)
}

func (p *plant) putAt(name string, at time.Time, data []byte) {
	p.t.Helper()
	if err := put(p.tree, "out/"+name, at, data); err != nil {
		p.t.Fatal(err)
	}
}

// run runs the program against a server that change has changed, and returns
// how many files it asked for.
func (p *plant) run(ctx context.Context, change func(*world), flags ...string) (int, error) {
	p.t.Helper()
	w, err := newWorld(ctx, p.tree, change)
	if err != nil {
		p.t.Fatal(err)
	}
	defer w.close()
	p.out.Reset()
	args := append([]string{"-table", "orders", "-columns", demoColumns}, flags...)
	opts, err := parse(append(args, demoURL, p.file), &p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	w.dialer.RetryFor = opts.retry
	err = load(ctx, opts, w.dialer, &printer{w: &p.out})
	return w.server.Counters().Commands["RETR"], err
}

// load runs the program and wants it to succeed.
func (p *plant) load(flags ...string) int {
	p.t.Helper()
	n, err := p.run(p.t.Context(), nil, flags...)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, &p.out)
	}
	return n
}

// ask returns the one value of a query.
func (p *plant) ask(query string, args ...any) string {
	p.t.Helper()
	db, err := openDatabase(p.t.Context(), p.file, sourceOf(demoURL), table{name: "orders", columns: []column{{name: "day", kind: kinds[0]}}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.db.Close()
	var s string
	if err := db.db.QueryRow(query, args...).Scan(&s); err != nil && !errors.Is(err, sql.ErrNoRows) {
		p.t.Fatal(query, err)
	}
	return s
}

// want checks what is in the database.
func (p *plant) want(rows, rejects int) {
	p.t.Helper()
	got := p.ask(`SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(DISTINCT id) FROM orders) || ' ' || (SELECT count(*) FROM rejects) ||
		' ' || coalesce(sum(rows), 0) || ' ' || coalesce(sum(rejects), 0) FROM loads`)
	if want := fmt.Sprintf("%d %d %d %d %d", rows, rows, rejects, rows, rejects); got != want {
		p.t.Errorf("rows, different ids, rejects, and by loads rows and rejects are %q, want %q", got, want)
	}
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, test func(p *plant)) {
	synctest.Test(t, func(t *testing.T) { test(newPlant(t)) })
}

func TestOnce(t *testing.T) {
	virtual(t, func(p *plant) {
		p.put("1.csv", orders(1, 400))
		p.put("2.csv.gz", zipped(orders(2, 400)))
		p.put("sub/3.csv", orders(3, 400))
		p.put("sub/4.txt", orders(4, 400))
		if n := p.load(); n != 3 {
			p.t.Errorf("%d files were asked for, want 3", n)
		}
		p.want(3*401, 3*2)
		if n := p.load(); n != 0 {
			p.t.Errorf("nothing has changed, and %d files were asked for", n)
		}
		p.putAt("1.csv", written.Add(24*time.Hour), orders(1, 500))
		if n := p.load(); n != 1 {
			p.t.Errorf("one file has changed, and %d were asked for", n)
		}
		p.want(501+2*401, 3*2)
		if n := p.load("-match", "*.txt"); n != 1 {
			p.t.Errorf("-match: %d files were asked for, want 1", n)
		}
		p.want(501+3*401, 4*2)
		if got := p.ask("SELECT group_concat(length(sha256)) FROM loads"); got != "64,64,64,64" {
			p.t.Errorf("the hashes have the lengths %s", got)
		}
	})
}

// TestInterrupt ends the program again and again, until it gets through.
func TestInterrupt(t *testing.T) {
	virtual(t, func(p *plant) {
		for i := range 5 {
			p.put(fmt.Sprintf("%d.csv", i), orders(i+1, 800))
		}
		slow := func(w *world) { w.server.Limits.Rate = 64 << 10 }
		runs := 0
		for ; ; runs++ {
			ctx, cancel := context.WithTimeout(p.t.Context(), time.Duration(900+10*runs)*time.Millisecond)
			_, err := p.run(ctx, slow)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) || runs > 20 {
				p.t.Fatalf("run %d: %v", runs, err)
			}
		}
		if runs < 2 {
			p.t.Errorf("%d runs were interrupted", runs)
		}
		p.want(5*801, 5*2)
	})
}

// TestBadLine breaks every data connection in the middle of the second file.
func TestBadLine(t *testing.T) {
	virtual(t, func(p *plant) {
		p.put("1.csv", orders(1, 200))
		p.put("2.csv.gz", zipped(orders(2, 4000)))
		p.put("3.csv", orders(3, 200))
		cut := func(w *world) {
			w.server.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: 10_000, Kind: ftptest.Reset}}
		}
		if _, err := p.run(p.t.Context(), cut, "-retry", "0"); err == nil || !strings.Contains(err.Error(), "given up at 2.csv.gz: ") {
			p.t.Errorf("without another try: %v", err)
		}
		p.want(201, 2)
		if _, err := p.run(p.t.Context(), cut); err != nil || strings.Count(p.out.String(), "goes on at byte") < 2 {
			p.t.Errorf("%v\n%s", err, &p.out)
		}
		p.want(201+4001+201, 6)
	})
}

// TestBadFiles has files that cannot be loaded: each is told, the others are
// loaded, and what was loaded of an earlier version stays.
func TestBadFiles(t *testing.T) {
	virtual(t, func(p *plant) {
		good := zipped(orders(1, 50))
		p.put("changed.csv.gz", good)
		p.load()
		p.putAt("changed.csv.gz", written.Add(24*time.Hour), good[:len(good)-9])
		p.put("empty.csv", nil)
		p.put("garbage.csv.gz", []byte("no gzip at all"))
		p.put("header.csv", []byte("day,id\n1999-11-01,1\n"))
		p.put("more.csv", []byte("day,id,customer,amount,note,more\n"))
		p.put("order.csv", []byte("\ufeffNOTE,amount,customer,id,day\r\nx,1.5,a,77,1999-11-09\r\n"))
		p.put("quote.csv", []byte("day,\"id\nx\n"))
		refuse := func(w *world) {
			w.server.Script = []ftptest.Step{{On: "RETR", Nth: 5, Reply: "550 Failed to open file."}}
		}
		_, err := p.run(p.t.Context(), refuse)
		if !errors.Is(err, errIncomplete) {
			p.t.Errorf("%v, want errIncomplete", err)
		}
		for _, want := range []string{
			"NOT COMPLETE: 6 could",
			"changed.csv.gz: the file cannot be unpacked: unexpected EOF",
			"empty.csv: the file is empty",
			"garbage.csv.gz: the file cannot be unpacked: gzip: invalid header",
			"header.csv: the file has no column customer",
			"more.csv: ",
			"quote.csv: the first line cannot be read: a quote is not closed",
		} {
			if !strings.Contains(p.out.String(), want) {
				p.t.Errorf("%q is not in the output", want)
			}
		}
		p.want(51+1, 2)
		if got := p.ask("SELECT day || id || customer || amount || note FROM orders WHERE id = 77"); got != "1999-11-0977a1.5x" {
			p.t.Errorf("the columns in another order gave %q", got)
		}
		if p.t.Failed() {
			p.t.Logf("printed:\n%s", &p.out)
		}
	})
}

// TestRejects checks that what cannot be loaded is kept as it was.
func TestRejects(t *testing.T) {
	virtual(t, func(p *plant) {
		p.put("1.csv", []byte("day;id;customer;amount;note\n1999-11-01;1;a;1;\n1999-11-31;2;b;1;\n1999-11-01;3;c;1\n1999-11-01;4;\xff;1;\n"))
		p.load("-comma", ";")
		p.want(1, 3)
		want := "3 day: \"1999-11-31\" is no date 1999-11-31;2;b;1;\n|4 4 fields, want 5 1999-11-01;3;c;1\n"
		if got := p.ask("SELECT group_concat(line || ' ' || reason || ' ' || raw, '|') FROM rejects WHERE typeof(raw) = 'text'"); got != want {
			p.t.Errorf("the rejects are %q, want %q", got, want)
		}
		if got := p.ask("SELECT line || reason || hex(raw) FROM rejects WHERE typeof(raw) = 'blob'"); !strings.HasPrefix(got, "5customer: not UTF-8") || !strings.Contains(got, "FF3B") {
			p.t.Errorf("the one that is not UTF-8 is %q", got)
		}
	})
}

func TestTypes(t *testing.T) {
	cases := []struct {
		kind, field string
		want        any // nil for an error
	}{
		{"text", "", ""}, {"text", "x", "x"},
		{"integer", "-5", int64(-5)}, {"integer", "5.0", nil}, {"integer", "", nil}, {"integer", "9223372036854775808", nil},
		{"real", "1e3", 1000.0}, {"real", "NaN", nil}, {"real", "0x1p4", nil}, {"real", "1,5", nil}, {"real", "1e999", nil},
		{"date", "2024-02-29", "2024-02-29"}, {"date", "2023-02-29", nil}, {"date", "01/02/2023", nil},
		{"time", "2024-02-29T01:00:00+02:00", "2024-02-28T23:00:00Z"}, {"time", "2024-02-29", nil},
	}
	for _, c := range cases {
		var tab table
		if err := tab.setColumns("x:" + c.kind); err != nil {
			t.Fatal(err)
		}
		row, err := tab.values(nil, []string{c.field}, []int{0})
		if (err == nil) != (c.want != nil) || err == nil && row[0] != c.want {
			t.Errorf("%s %q: %v, %v, want %v", c.kind, c.field, row, err, c.want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	ok := []string{"-table", "t", "-columns", "a,b:real?"}
	cases := []struct {
		args []string
		want string // in what is printed to standard error
	}{
		{[]string{"-bogus"}, "flag provided but not defined: -bogus"},
		{[]string{"ftp://u:s3cret@a.example"}, "want a url and a database"},
		{[]string{"ftp://u:s3cret@a.example", "x.db"}, "-table and -columns"},
		{append(ok, "http://u:s3cret@a.example", "x.db"), "the url has to be of the form"},
		{append(ok, "ftp://u:s3cret@exa mple.com", "x.db"), "the url cannot be read"},
		{append(ok, "-comma", ";;", "ftp://a.example", "x.db"), "-comma"},
		{append(ok, "-match", "[", "ftp://a.example", "x.db"), "-match"},
		{append(ok, "-table", "loads", "ftp://a.example", "x.db"), "cannot be called"},
		{append(ok, "-table", "a; DROP", "ftp://a.example", "x.db"), "cannot be called"},
		{append(ok, "-columns", "a,A", "ftp://a.example", "x.db"), "cannot be called"},
		{append(ok, "-columns", "line", "ftp://a.example", "x.db"), "cannot be called"},
		{append(ok, "-columns", "a:blob", "ftp://a.example", "x.db"), "not a type"},
	}
	for _, c := range cases {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, &printer{w: &out}, &errs)
		if code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), c.want) || strings.Contains(errs.String(), "s3cret") {
			t.Errorf("%q: exit code %d, printed %q and %q, want %q", c.args, code, &out, &errs, c.want)
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-help"}, &printer{w: &out}, &errs); code != exitOK || !strings.HasPrefix(errs.String(), "usage: etl") {
		t.Errorf("-help: exit code %d, %q", code, &errs)
	}
}

// TestURL runs the program with a server on a loopback port.
func TestURL(t *testing.T) {
	p := newPlant(t)
	p.put("1.csv", orders(1, 100))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &ftptest.Server{Tree: p.tree, Users: map[string]string{"u": "s3cret"}}
	srv.Start(ln)
	defer srv.Close()
	args := []string{"-retry", "0", "-table", "orders", "-columns", demoColumns, "ftp://u:s3cret@" + ln.Addr().String() + "/out", p.file}
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &printer{w: &out}, &errs); code != exitOK || errs.Len() > 0 || !strings.Contains(out.String(), "has 101 rows of 1 file; rejects has 2 lines") {
		t.Errorf("exit code %d, %q\n%s", code, &errs, &out)
	}
	p.want(101, 2)
	if got := p.ask("SELECT source FROM loads"); got != "ftp://u@"+ln.Addr().String()+"/out" {
		t.Errorf("the source is %s", got)
	}
	args[len(args)-2] = strings.Replace(args[len(args)-2], "s3cret", "wr0ng", 1)
	if code := run(t.Context(), args, &printer{w: &out}, &errs); code != exitFailed || !strings.Contains(errs.String(), "530") || strings.Contains(errs.String(), "wr0ng") {
		t.Errorf("exit code %d, %q", code, &errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs.Reset()
	if code := run(ctx, args, &printer{w: &out}, &errs); code != exitInterrupted || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("interrupted: exit code %d, %q", code, &errs)
	}
}

// TestGolden compares what the demonstration prints with a file.
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		if err := demo(t.Context(), &printer{w: &out}); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
	})
	// How fast this machine is, and how well gzip packs, is not for this test.
	got := regexp.MustCompile(`\d+\.\d s`).ReplaceAllString(out.String(), "#.# s")
	got = regexp.MustCompile(`(\.gz +)\d[0-9.]* kB`).ReplaceAllString(got, "$1# kB")
	file := filepath.Join("testdata", "demo.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the output differs from %s:\n%s", file, got)
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// What the embedded server is asked for.
const (
	demoHost    = "ftp.example.net"
	demoURL     = "ftp://demo:2006@" + demoHost + "/out"
	demoColumns = "day:date,id:integer,customer,amount:real,note:text?"
	// demoRate is what the line carries in a second.
	demoRate = 128 << 10
	// demoCut is after how many bytes a bad line breaks.
	demoCut = 50 << 10
)

// written is when the files of the demonstration were last changed.
var written = time.Date(1999, time.November, 5, 2, 0, 0, 0, time.UTC)

// orders returns the content of a file: n orders of a day, and some lines that
// are no orders.
func orders(day, n int) []byte {
	var b bytes.Buffer
	b.WriteString("day,id,customer,amount,note\n")
	for i := range n {
		id := day*100_000 + i
		fmt.Fprintf(&b, "1999-11-%02d,%d,\"Customer %d, Ltd.\",%d.%02d,\n", day, id, i%97, i%900+10, i%100)
		switch i {
		case n / 4:
			fmt.Fprintf(&b, "1999-11-%02d,%d,Pipes Inc.,12.00,a 5\" pipe\n", day, id+50_000)
		case n / 3:
			fmt.Fprintf(&b, "1999-11-%02d,%d,Quotes Inc.,15.00,\"two\nlines\"\n", day, id+50_000)
		case n / 2:
			fmt.Fprintf(&b, "1999-11-%02d,%d,Late Inc.,tba,\n", day, id+50_000)
		}
	}
	return b.Bytes()
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

// world is a network with a server and the client's host.
type world struct {
	network *memnet.Network
	server  *ftptest.Server
	dialer  *ftpnat.Dialer
}

// newWorld starts a server, which change may have changed before.
func newWorld(ctx context.Context, tree *ftptest.Tree, change func(*world)) (*world, error) {
	n := memnet.New(memnet.Config{Latency: 5 * time.Millisecond})
	machine := n.Host(demoHost, netip.MustParseAddr("198.51.100.10"))
	client := n.Host("client", netip.MustParseAddr("192.0.2.7"))
	srv := &ftptest.Server{Tree: tree, Users: map[string]string{"demo": "2006"}, Personality: ftptest.VSFTPD(),
		Network: ftptest.Network{Listen: machine.Listen, Dial: machine.DialFrom}, Limits: ftptest.Limits{Rate: demoRate}}
	w := &world{n, srv, &ftpnat.Dialer{DialContext: client.DialContext, Listen: client.Listen}}
	if change != nil {
		change(w)
	}
	ln, err := machine.Listen(ctx, "tcp", ":21")
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("start the embedded server: %w", err)
	}
	srv.Start(ln)
	return w, nil
}

func (w *world) close() {
	w.server.Close()
	w.network.Close()
}

// put writes a file on the server.
func put(t *ftptest.Tree, name string, at time.Time, data []byte) error {
	return errors.Join(t.WriteFile(name, data, 0o644), t.Chtimes(name, at))
}

// act is a part of the demonstration.
type act struct {
	title string
	setup func(*ftptest.Tree) error // before it
	cut   int64                     // after how many bytes each data connection breaks; zero for never
	stop  string                    // the file in which the program is interrupted
}

var acts = []act{
	{title: "Four days of orders. Somebody presses Ctrl-C in the third file...", stop: "1999-11-03.csv",
		setup: func(t *ftptest.Tree) error {
			return errors.Join(
				put(t, "out/1999-11-01.csv", written, orders(1, 500)),
				put(t, "out/1999-11-02.csv.gz", written, zipped(orders(2, 1000))),
				put(t, "out/1999-11-03.csv", written, orders(3, 3000)),
				put(t, "out/more/1999-11-04.csv.gz", written, zipped(orders(4, 1000))),
				put(t, "out/README", written, []byte("One file a day.\n")))
		}},
	{title: "... and the same command goes on: what was loaded is not loaded twice."},
	{title: "A file has changed, and the line is bad: data connections break after 50 KiB.", cut: demoCut,
		setup: func(t *ftptest.Tree) error {
			return put(t, "out/1999-11-03.csv", written.Add(24*time.Hour), orders(3, 3500))
		}},
	{title: "Nothing has changed."},
}

// demo plays the acts, and then asks the database.
func demo(ctx context.Context, out *printer) error {
	dir, err := os.MkdirTemp("", "etl-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out.line("A server in this process, and a database in a temporary folder. Nothing leaves this machine.\n")
	file := filepath.Join(dir, "orders.db")
	tree := ftptest.NewTree()
	for _, a := range acts {
		if err := a.play(ctx, tree, file, out); err != nil {
			return err
		}
		out.line("")
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer db.Close()
	return errors.Join(
		query(ctx, db, out, "SELECT day, count(*) AS orders, printf('%.2f', sum(amount)) AS amount FROM orders GROUP BY day"),
		query(ctx, db, out, "SELECT name, line, reason, trim(raw, char(10)) AS raw FROM rejects JOIN loads ON load = id ORDER BY name, line"))
}

// play plays an act. The error says that it did not end as it should.
func (a act) play(ctx context.Context, tree *ftptest.Tree, file string, out *printer) error {
	if a.setup != nil {
		if err := a.setup(tree); err != nil {
			return err
		}
	}
	w, err := newWorld(ctx, tree, func(w *world) {
		if a.cut > 0 {
			w.server.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: a.cut, Kind: ftptest.Cut}}
		}
	})
	if err != nil {
		return err
	}
	defer w.close()
	opts, err := parse([]string{"-table", "orders", "-columns", demoColumns, demoURL, file}, out.w)
	if err != nil {
		return err
	}
	out.line("%s\n$ etl -table orders -columns %s %s orders.db", a.title, demoColumns, sourceOf(demoURL))
	err = load(a.interrupted(ctx), opts, w.dialer, out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a.stop != "" && errors.Is(err, context.Canceled):
		out.line("  interrupted")
		return nil
	case a.stop != "":
		return fmt.Errorf("the load was to be interrupted in %s, and was not: %w", a.stop, err)
	}
	return err
}

// interrupted returns a context that ends when the act wants it to.
func (a act) interrupted(ctx context.Context) context.Context {
	if a.stop == "" {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, cancel)
	return ftpnat.WithTrace(ctx, &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) {
		if e.Name == a.stop && e.Bytes > 0 {
			cancel()
		}
	}})
}

// query prints the result of a query as a table.
func query(ctx context.Context, db *sql.DB, out *printer, text string) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	head, err := rows.Columns()
	if err != nil {
		return err
	}
	table := [][]string{head}
	for rows.Next() {
		row, into := make([]string, len(head)), make([]any, len(head))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		table = append(table, row)
	}
	wide := make([]int, len(head))
	for _, row := range table {
		for i, field := range row {
			row[i] = printable(field)
			wide[i] = max(wide[i], len(row[i]))
		}
	}
	out.line("sqlite> %s", text)
	for _, row := range table {
		var b strings.Builder
		for i, field := range row {
			fmt.Fprintf(&b, "  %-*s", wide[i], field)
		}
		out.line("%s", strings.TrimRight(b.String(), " "))
	}
	return rows.Err()
}

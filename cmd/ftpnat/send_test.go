package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/ftpnat/ftpnat/ftptest"
)

// large is a file that is sent in parts, no two of which are alike.
func large() string {
	var b bytes.Buffer
	for i := uint32(0); b.Len() < partLeast+1_000_000; i++ {
		b.Write([]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i * 2654435761 >> 24), '\n'})
	}
	return b.String()
}

// parts are the names of files on a server that are not complete.
func parts(t *testing.T, fsys fs.FS) (names []string) {
	t.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if isPart(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// An upload that breaks goes on in the next run, where it stopped, and the file
// has its name only when it is complete.
func TestPutGoesOn(t *testing.T) {
	for name, args := range map[string][]string{"put": {"put", "here"}, "mirror": {"mirror", "-P", "1", "./tree"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			data := large()
			w.write("here", data)
			w.write("tree/here", data)
			srv := serve(t, nil, ftptest.CutData(2_000_000))
			args := append(args, "--retry-for", "0", srv.URL)
			for run := range 3 {
				r := w.run(args...)
				if run == 2 {
					if r.code != 0 {
						t.Fatalf("got %+v", r)
					}
					break
				}
				if r.code != int(codePartial) && r.code != int(codeConnect) {
					t.Fatalf("got %+v", r)
				}
				if got := parts(t, srv.FS()); len(got) != 1 {
					t.Fatalf("run %d left %q", run, got)
				}
				if _, err := fs.Stat(srv.FS(), "here"); err == nil {
					t.Fatal("half a file has its name")
				}
			}
			has(t, srv.FS(), ".", map[string]string{"here": data})
		})
	}
}

// Within one run it goes on too.
func TestPutBroken(t *testing.T) {
	w := newWorld(t)
	w.write("here", large())
	srv := serve(t, nil, ftptest.CutData(1_500_000))
	r := w.run("put", "here", srv.URL)
	if r.code != 0 || !strings.Contains(r.err, "here: 5.0 MB in ") {
		t.Errorf("got %+v", r)
	}
	has(t, srv.FS(), ".", map[string]string{"here": large()})
	if n := len(slices.DeleteFunc(srv.Commands(), func(c string) bool { return !strings.HasPrefix(c, "APPE") })); n != 3 {
		t.Errorf("%d commands to append", n)
	}
}

// Ctrl-C leaves a part, and what is not a part of this file is not gone on with.
func TestPutInterrupted(t *testing.T) {
	w := newWorld(t)
	data := large()
	w.write("here", data)
	srv := serve(t, fstest.MapFS{"here": {Data: []byte("old")}}, ftptest.StallData(2_000_000).On(1))
	ctx, cancel := context.WithCancel(t.Context())
	w.ctx = ctx
	w.see = func(text string) {
		if strings.Contains(text, "← 150") {
			cancel()
		}
	}
	w.fails(codeInterrupted, "goes on where it stopped", "-v", "put", "here", srv.URL)
	has(t, srv.FS(), "here", map[string]string{"here": "old"})
	w.ctx, w.see = t.Context(), nil

	name := "." + "here" + "."
	for _, part := range parts(t, srv.FS()) {
		if !strings.HasPrefix(part, name) {
			t.Errorf("got %s", part)
		}
		// Of the right length, and with other bytes at its end.
		if err := srv.WriteFile(part, bytes.Repeat([]byte("z"), 1_000_000), day); err != nil {
			t.Fatal(err)
		}
	}
	w.ok("put", "here", srv.URL)
	has(t, srv.FS(), ".", map[string]string{"here": data})
}

// What the session of the interrupted run writes on, after the part was looked
// at, is found out.
func TestPutLateWrite(t *testing.T) {
	w := newWorld(t)
	data := large()
	w.write("here", data)
	srv := serve(t, nil, ftptest.CutData(2_000_000).On(1), ftptest.Refuse("XSHA256"), ftptest.Refuse("XSHA512"), ftptest.Refuse("XMD5"), ftptest.Refuse("XCRC"), ftptest.Refuse("HASH"))
	if r := w.run("put", "--retry-for", "0", "here", srv.URL); r.code == 0 {
		t.Fatal("nothing was cut")
	}
	once := sync.OnceFunc(func() {
		for _, part := range parts(t, srv.FS()) {
			have, err := fs.ReadFile(srv.FS(), part)
			if err == nil {
				err = srv.WriteFile(part, []byte(data[:len(have)+1000]), day)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	reading := false
	w.see = func(text string) {
		reading = reading || strings.Contains(text, "→ RETR")
		if reading && strings.Contains(text, "← 226") {
			once()
		}
	}
	w.ok("put", "-v", "here", srv.URL)
	has(t, srv.FS(), ".", map[string]string{"here": data})
}

// A server that lets nothing be appended, or read, gets the file from its start.
func TestPutNoParts(t *testing.T) {
	for name, faults := range map[string][]ftptest.Fault{
		"APPE refused": {ftptest.CutData(2_000_000).On(1), ftptest.Reply("APPE", "451 Append/Restart not permitted, try again")},
		"RETR refused": {ftptest.CutData(2_000_000).On(1), ftptest.Reply("RETR", "550 Permission denied.")},
		"RNTO refused": {ftptest.Reply("RNTO", "553 No.").On(1)},
		"SIZE refused": {ftptest.Reply("SIZE", "550 Permission denied."), ftptest.Reply("MLST", "550 Permission denied.")},
		"unsupported":  {ftptest.CutData(2_000_000).On(1), ftptest.Refuse("APPE")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("here", large())
			srv := serve(t, nil, faults...)
			w.ok("put", "here", srv.URL)
			has(t, srv.FS(), ".", map[string]string{"here": large()})
		})
	}
}

// A tree that went to a new name would go into it the second time: what goes on
// with it is said.
func TestTreeGoesOn(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Reply("RETR", "550 Permission denied.").On(1))
	w.fails(codePartial, "\n  ftpnat mirror "+srv.URL+"pub ./new goes on", "get", "-P", "1", srv.URL+"pub", "new")
	w.ok("mirror", srv.URL+"pub", "./new")
	has(t, os.DirFS("new"), ".", map[string]string{"a.csv": "1,2,3\n", "sub/b.txt": "bee", "sub/c d.txt": "sea"})

	srv = serve(t, nil, ftptest.Reply("STOR", "550 Permission denied."))
	w.fails(codePartial, "\n  ftpnat mirror ./new "+srv.URL+"up goes on", "put", "-P", "1", "new", srv.URL+"up")
	w.fails(codePartial, "The same command, given again,", "put", "-P", "1", "new", srv.URL)
}

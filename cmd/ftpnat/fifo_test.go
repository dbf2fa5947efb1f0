//go:build unix

package main

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A device or a pipe is written to, and not replaced; so is what a link leads to.
func TestGetInto(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Skip("pipes cannot be made here:", err)
	}
	got := make(chan string)
	go func() {
		data, _ := os.ReadFile("pipe")
		got <- string(data)
	}()
	w.ok("get", srv.URL+"pub/a.csv", "pipe")
	if text := <-got; text != "1,2,3\n" {
		t.Errorf("read %q", text)
	}
	if info, err := os.Lstat("pipe"); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe is now %v, %v", info, err)
	}

	go func() {
		data, _ := os.ReadFile("pipe")
		got <- string(data)
	}()
	w.ok("probe", "--html", "pipe", srv.URL)
	if text := <-got; !strings.HasSuffix(text, "</html>\n") {
		t.Errorf("the page ends in %q", text[max(0, len(text)-20):])
	}

	w.write("dir/real", "old")
	if err := os.Symlink("dir/real", "link"); err != nil {
		t.Fatal(err)
	}
	w.ok("get", srv.URL+"pub/a.csv", "link")
	if info, err := os.Lstat("link"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info, err)
	}
	has(t, os.DirFS("dir"), ".", map[string]string{"real": "1,2,3\n"})
}

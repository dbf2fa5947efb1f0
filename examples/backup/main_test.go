package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat/ftptest"
)

var day = time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)

// server has three files.
func server(t *testing.T, faults ...ftptest.Fault) *ftptest.Server {
	srv := ftptest.NewServer(fstest.MapFS{
		"a":     {Data: []byte("one"), ModTime: day.AddDate(0, -1, 0)},
		"d/b":   {Data: bytes.Repeat([]byte("two"), 50_000), ModTime: day.AddDate(0, -1, 0)},
		"d/e/c": {Data: []byte("three"), ModTime: day.AddDate(0, -1, 0)},
	}, faults...)
	t.Cleanup(srv.Close)
	return srv
}

// has checks what is in a folder: names to contents, and nothing else.
func has(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got++
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if text, ok := want[name]; !ok || text != string(data) {
			t.Errorf("%s has %.20q, want %.20q", name, data, text)
		}
		return err
	})
	if err != nil || got != len(want) {
		t.Errorf("%d files, want %d; %v", got, len(want), err)
	}
}

var whole = map[string]string{"a": "one", "d/b": strings.Repeat("two", 50_000), "d/e/c": "three"}

// Each run holds the whole tree, and what has not changed is there once.
func TestBackup(t *testing.T) {
	srv, dir := server(t, ftptest.CutData(50_000).On(3)), t.TempDir()
	var out bytes.Buffer
	for i := range 2 {
		if err := backup(t.Context(), srv.URL, dir, day.AddDate(0, 0, i), &out); err != nil {
			t.Fatal(err)
		}
		if err := srv.WriteFile("a", []byte("ONE"), day); err != nil {
			t.Fatal(err)
		}
	}
	first, second := filepath.Join(dir, "2026-11-27T18.00.00"), filepath.Join(dir, "2026-11-28T18.00.00")
	has(t, first, whole)
	has(t, second, map[string]string{"a": "ONE", "d/b": whole["d/b"], "d/e/c": "three"})
	b1, err1 := os.Stat(filepath.Join(first, "d", "b"))
	b2, err2 := os.Stat(filepath.Join(second, "d", "b"))
	if err1 != nil || err2 != nil || !os.SameFile(b1, b2) {
		t.Errorf("what has not changed was copied: %v, %v\n%s", err1, err2, &out)
	}
	if got := strings.Count(out.String(), ": unchanged"); got != 2 {
		t.Errorf("%d unchanged:\n%s", got, &out)
	}
}

// A run that fails has no folder of its own, and the next one goes on with it.
func TestGoesOn(t *testing.T) {
	srv, dir := server(t, ftptest.Reply("RETR", "550 Permission denied.").On(2)), t.TempDir()
	var out bytes.Buffer
	if err := backup(t.Context(), srv.URL, dir, day, &out); err == nil || !strings.Contains(err.Error(), "1 names could not be read") {
		t.Errorf("got %v\n%s", err, &out)
	}
	if _, err := os.Stat(filepath.Join(dir, "2026-11-27T18.00.00")); err == nil {
		t.Error("half a backup has its name")
	}
	out.Reset()
	if err := backup(t.Context(), srv.URL, dir, day, &out); err != nil {
		t.Error(err)
	}
	has(t, filepath.Join(dir, "2026-11-27T18.00.00"), whole)
	if got := strings.Count(out.String(), "copied before"); got != 2 {
		t.Errorf("%d copied before:\n%s", got, &out)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := backup(ctx, server(t).URL, dir, day, new(bytes.Buffer)); err == nil {
		t.Error("no error")
	}
	has(t, dir, nil)
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := demo(t.Context(), &out); err != nil || strings.Count(out.String(), ": copied") != 3 || strings.Count(out.String(), ": unchanged") != 1 {
		t.Errorf("%v\n%s", err, &out)
	}
}

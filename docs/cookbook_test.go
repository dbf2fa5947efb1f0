package docs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// The functions that cookbook.md quotes, each with its test.

// settled lists a directory and returns the files that have had the same size
// and time in the look before, which is last. What this look saw is seen.
func settled(fsys fs.FS, dir string, last map[string]string) (names []string, seen map[string]string, err error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, nil, err
	}
	seen = make(map[string]string)
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody was faster
		}
		if err != nil {
			return nil, nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		seen[e.Name()] = fmt.Sprint(info.Size(), info.ModTime())
		if seen[e.Name()] == last[e.Name()] {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names, seen, nil
}

// poll calls use for each file of a directory that has stopped growing, until
// ctx ends or use fails. use moves or removes the file when it is done with it.
func poll(ctx context.Context, fsys *ftpnat.FS, dir string, every time.Duration, use func(name string) error) error {
	fsys = fsys.WithContext(ctx)
	var last map[string]string
	for tick := time.Tick(every); ; {
		names, seen, err := settled(fsys, dir, last)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := use(name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		last = seen
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestPoll(t *testing.T) {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	write := func(name, text string) {
		t.Helper()
		if err := srv.WriteFile(name, []byte(text), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	write("in/growing", "1")
	write("in/whole", "12")
	names, last, err := settled(fsys, "in", nil)
	if err != nil || len(names) != 0 {
		t.Errorf("the first look: %v, %v", names, err)
	}
	write("in/growing", "1234")
	names, last, err = settled(fsys, "in", last)
	if err != nil || !slices.Equal(names, []string{"in/whole"}) {
		t.Errorf("the second look: %v, %v", names, err)
	}
	names, _, err = settled(fsys, "in", last)
	if err != nil || len(names) != 2 {
		t.Errorf("the third look: %v, %v", names, err)
	}

	done := errors.New("enough")
	err = poll(t.Context(), fsys, "in", time.Millisecond, func(name string) error {
		if err := fsys.Remove(name); err != nil {
			return err
		}
		if left, err := fs.ReadDir(srv.FS(), "in"); err != nil || len(left) > 0 {
			return err
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Errorf("poll: %v", err)
	}
}

// readWithin reads a file, and gives up after the limit. Other calls on fsys
// are not affected.
func readWithin(ctx context.Context, fsys *ftpnat.FS, name string, limit time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return fsys.WithContext(ctx).ReadFile(name)
}

func TestReadWithin(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"a": {Data: []byte("a")}}, ftptest.Swallow("RETR").On(1))
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if _, err := readWithin(t.Context(), fsys, "a", 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if data, err := readWithin(t.Context(), fsys, "a", time.Minute); string(data) != "a" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
}

// fetchWithProgress copies a file or a tree down and reports how far each file
// is. report is called by one goroutine at a time.
func fetchWithProgress(ctx context.Context, fsys *ftpnat.FS, dst, name string, report func(name string, done, total int64)) error {
	ctx = ftpnat.WithTrace(ctx, &ftpnat.Trace{
		Progress: func(e ftpnat.ProgressEvent) { report(e.Name, e.Bytes, e.Total) },
	})
	return fsys.WithContext(ctx).Fetch(dst, name)
}

func TestProgress(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"a/b": {Data: make([]byte, 5000)}, "a/c": {Data: make([]byte, 70)}})
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	got := map[string]int64{}
	err = fetchWithProgress(t.Context(), fsys, t.TempDir(), "a", func(name string, done, total int64) {
		if done == total {
			got[name] = total
		}
	})
	if want := map[string]int64{"a/b": 5000, "a/c": 70}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// withCA returns a Dialer that uses TLS and accepts servers whose certificate
// was signed by one of the authorities in a PEM file.
func withCA(file string) (*ftpnat.Dialer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return &ftpnat.Dialer{TLSConfig: &tls.Config{RootCAs: roots}}, nil
}

func TestWithCA(t *testing.T) {
	if _, err := withCA(filepath.Join(t.TempDir(), "none.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := withCA(empty); err == nil {
		t.Error("an empty file is a certificate")
	}
	srv := ftptest.NewTLSServer(fstest.MapFS{"a": {Data: []byte("a")}})
	defer srv.Close()
	d := ftpnat.Dialer{TLSConfig: srv.ClientTLS()}
	fsys, err := d.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	if data, err := fsys.ReadFile("a"); string(data) != "a" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
}

// loadMemory reads what an earlier run has learnt. It is no error if there is
// no such file yet.
func loadMemory(file string) (*ftpnat.MemoryMap, error) {
	m := new(ftpnat.MemoryMap)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	return m, json.Unmarshal(data, m)
}

// saveMemory keeps what this run has learnt. It has addresses in it and no
// passwords.
func saveMemory(file string, m *ftpnat.MemoryMap) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

func TestMemory(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"a": {Data: []byte("a")}}, ftptest.Refuse("EPSV"))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "memory.json")
	for range 2 {
		m, err := loadMemory(file)
		if err != nil {
			t.Fatal(err)
		}
		d := ftpnat.Dialer{Memory: m}
		fsys, err := d.Open(t.Context(), srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fsys.ReadFile("a"); err != nil {
			t.Error(err)
		}
		if err := errors.Join(fsys.Close(), saveMemory(file, m)); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(strings.Join(srv.Commands(), "\n"), "EPSV"); n != 1 {
		t.Errorf("EPSV was sent %d times, want once, by the first run", n)
	}
}

// forEach calls visit for every server, for at most limit servers at once. An
// error at one server does not stop the others.
func forEach(ctx context.Context, d *ftpnat.Dialer, urls []string, limit int, visit func(url string, fsys *ftpnat.FS) error) error {
	var wg sync.WaitGroup
	free := make(chan struct{}, limit)
	errs := make([]error, len(urls))
	for i, url := range urls {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			fsys, err := d.Open(ctx, url)
			if err != nil {
				errs[i] = fmt.Errorf("server %d: %w", i, err)
				return
			}
			defer fsys.Close()
			errs[i] = visit(url, fsys.WithContext(ctx))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func TestForEach(t *testing.T) {
	var urls []string
	for i := range 5 {
		srv := ftptest.NewServer(fstest.MapFS{"n": {Data: []byte{'0' + byte(i)}}})
		defer srv.Close()
		urls = append(urls, srv.URL)
	}
	closed := ftptest.NewServer(nil)
	closed.Close()
	urls = append(urls, closed.URL)

	var mu sync.Mutex
	var got []string
	d := &ftpnat.Dialer{MaxConns: 1, RetryFor: -1}
	err := forEach(t.Context(), d, urls, 2, func(url string, fsys *ftpnat.FS) error {
		data, err := fsys.ReadFile("n")
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(data))
		return err
	})
	slices.Sort(got)
	if strings.Join(got, "") != "01234" {
		t.Errorf("got %q", got)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "server 5: ") {
		t.Errorf("err = %v", err)
	}
}

// report returns a report of the server at url, and is what TestReport tests.
func report(ctx context.Context, url string) (string, error) {
	fsys, err := ftpnat.Open(ctx, url)
	if err != nil {
		return "", err
	}
	defer fsys.Close()
	data, err := fsys.WithContext(ctx).ReadFile("report.csv")
	return string(data), err
}

func TestReport(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"report.csv": {Data: []byte("date,orders\n")}}, ftptest.CutData(5).On(1))
	defer srv.Close()
	got, err := report(t.Context(), srv.URL)
	if got != "date,orders\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPollEnds sees that poll ends with its context, also while it waits.
func TestPollEnds(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"in/a": {}})
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = poll(ctx, fsys, "in", time.Hour, func(string) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

package docs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// export writes rows as they come. The file appears under its name when all of
// them are there; until then, and after an error, an existing file stays.
func export(fsys *ftpnat.FS, name string, rows iter.Seq2[string, error]) error {
	f, err := fsys.CreateAtomic(name)
	if err != nil {
		return err
	}
	for row, err := range rows {
		if err == nil {
			_, err = io.WriteString(f, row)
		}
		if err != nil {
			return errors.Join(err, f.Abort())
		}
	}
	return f.Close()
}

func TestExport(t *testing.T) {
	srv := ftptest.NewServer(fstest.MapFS{"out.csv": {Data: []byte("old\n")}})
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	broken := errors.New("the source broke")
	err = export(fsys, "out.csv", func(yield func(string, error) bool) { _ = yield("1\n", nil) && yield("", broken) })
	if got, _ := fs.ReadFile(srv.FS(), "out.csv"); !errors.Is(err, broken) || string(got) != "old\n" {
		t.Errorf("%q, %v", got, err)
	}
	err = export(fsys, "out.csv", func(yield func(string, error) bool) { _ = yield("1\n", nil) && yield("2\n", nil) })
	if got, _ := fs.ReadFile(srv.FS(), "out.csv"); err != nil || string(got) != "1\n2\n" {
		t.Errorf("%q, %v", got, err)
	}
	if names, err := fs.Glob(srv.FS(), "*"); err != nil || !slices.Equal(names, []string{"out.csv"}) {
		t.Errorf("left over: %v, %v", names, err)
	}
}

// again calls do until it succeeds, fails for good, or ctx ends.
func again(ctx context.Context, every time.Duration, do func() error) error {
	for tick := time.Tick(every); ; {
		err := do()
		if err == nil || !ftpnat.Retryable(err) {
			return err
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return fmt.Errorf("%w; the last try: %w", context.Cause(ctx), err)
		}
	}
}

func TestAgain(t *testing.T) {
	srv := ftptest.NewServer(nil, ftptest.Reply("MKD", "450 Busy, try later.").On(1))
	defer srv.Close()
	d := ftpnat.Dialer{RetryFor: -1}
	fsys, err := d.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	tries := 0
	err = again(t.Context(), time.Millisecond, func() error { tries++; return fsys.Mkdir("a", 0o777) })
	if err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	err = again(t.Context(), time.Millisecond, func() error { tries++; return fsys.Mkdir("a", 0o777) })
	if !errors.Is(err, fs.ErrExist) || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

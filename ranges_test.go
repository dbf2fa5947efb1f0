package ftpnat_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// inRanges fetches the test file in ranges, and returns what came of it, the
// notes and the events of progress.
func inRanges(t *testing.T, w *world) (got []byte, notes []string, events []ftpnat.ProgressEvent, err error) {
	t.Helper()
	w.d.SplitOver = int64(len(content))
	ctx := ftpnat.WithTrace(t.Context(), &ftpnat.Trace{
		Note: func(text string) {
			if !strings.Contains(text, "says that the listing is whole") {
				notes = append(notes, text)
			}
		},
		Progress: func(e ftpnat.ProgressEvent) { events = append(events, e) },
	})
	dst := t.TempDir()
	if err = w.openFS(t, "").WithContext(ctx).Fetch(dst, "pub"); err == nil {
		if got, err = os.ReadFile(filepath.Join(dst, "file.bin")); err != nil {
			t.Fatal(err)
		}
	}
	tree := localTree(t, dst)
	delete(tree, "file.bin")
	sameTrees(t, tree, nil)
	return got, notes, events, err
}

// TestRanges fetches a file in ranges from each kind of server.
func TestRanges(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality, srv.Limits.Rate = p, 50_000 }}, func(t *testing.T, w *world) {
				start := time.Now()
				got, notes, events, err := inRanges(t, w)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				took := time.Since(start)
				t.Logf("%v, %d REST, notes: %q", took, w.Server.Counters().Commands["REST"], notes)
				if p.Name == "Ancient" {
					return
				}
				if n := w.Server.Counters().Commands["REST"]; n < 2 || len(notes) > 0 || took > 4*time.Second {
					t.Errorf("%d REST, notes %q, in %v", n, notes, took)
				}
				last := ftpnat.ProgressEvent{Name: "pub/file.bin", Bytes: int64(len(content)), Total: int64(len(content))}
				if n := len(events); n < 3 || events[n-1] != last || !slices.IsSortedFunc(events, func(a, b ftpnat.ProgressEvent) int { return int(a.Bytes - b.Bytes) }) {
					t.Errorf("events: %+v", events)
				}
			})
		})
	}
}

// TestRangesDoubt has servers whose ranges do not make the file: it is fetched
// in one stream.
func TestRangesDoubt(t *testing.T) {
	even := bytes.Repeat([]byte("0123456789abcdef"), len(content)/16)
	tests := []struct {
		name  string
		steps []ftptest.Step
		data  []byte
	}{
		{"REST ignored", []ftptest.Step{{On: "REST", Reply: "350 Restarting at 0."}}, content},
		{"REST ignored, the same all over", []ftptest.Step{{On: "REST", Reply: "350 Restarting at 0."}}, even},
		{"REST ignored, the same at the ends of ranges", []ftptest.Step{{On: "REST", Reply: "350 Restarting at 0."}}, alike()},
		{"REST to another place", []ftptest.Step{{On: "REST", Nth: 2, As: "REST 1000"}}, content},
		{"REST too short", []ftptest.Step{{On: "REST", Nth: 1, As: "REST 1000"}}, content},
		{"REST too far", []ftptest.Step{{On: "REST", Nth: 1, As: "REST 190000"}}, content},
		{"REST refused", []ftptest.Step{{On: "REST", Reply: "502 No."}}, content},
		{"another hash", []ftptest.Step{{On: "XSHA256", Reply: "250 " + strings.Repeat("0f", 32)}}, content},
		{"another size afterwards", []ftptest.Step{{On: "MLST", Nth: 2, Reply: "250-\n type=file;size=7;modify=20240101000000; /pub/file.bin\n250 End"}}, content},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := ftptest.ProFTPD() // it has no hashes
			if tt.name == "another hash" {
				p = ftptest.Plain()
			}
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality, srv.Script = p, tt.steps }}, func(t *testing.T, w *world) {
				if err := w.Server.Tree.WriteFile("pub/file.bin", tt.data, 0o644); err != nil {
					t.Fatal(err)
				}
				got, notes, _, err := inRanges(t, w)
				if err != nil || !bytes.Equal(got, tt.data) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if len(notes) != 1 || !strings.Contains(notes[0], "one stream") {
					t.Errorf("notes: %q", notes)
				}
				t.Log(notes)
			})
		})
	}
}

// alike is a file whose ranges all begin and end with zeros, as images of disks
// do.
func alike() []byte {
	b := bytes.Clone(content)
	for i := range b {
		if i%66_666 < 10_000 || i%66_666 > 60_000 {
			b[i] = 0
		}
	}
	return b
}

// TestRangesChanged replaces the file by one of the same size meanwhile.
func TestRangesChanged(t *testing.T) {
	other := slices.Clone(content)
	slices.Reverse(other)
	for after := 200 * time.Millisecond; after < 4*time.Second; after += 300 * time.Millisecond {
		for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD()} {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality, srv.Limits.Rate = p, 50_000 }}, func(t *testing.T, w *world) {
				if err := w.Server.Tree.Chtimes("pub/file.bin", treeTime); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(after, func() { w.Server.Tree.WriteFile("pub/file.bin", other, 0o644) })
				got, _, _, err := inRanges(t, w)
				if err == nil && !bytes.Equal(got, content) && !bytes.Equal(got, other) {
					t.Errorf("%s, after %v: %d bytes that are neither the old file nor the new", p.Name, after, len(got))
				}
				if err != nil && !errors.Is(err, ftpnat.ErrChanged) {
					t.Errorf("%s, after %v: %v", p.Name, after, err)
				}
			})
		}
	}
}

// TestRangesFail breaks ranges, for a while and for good.
func TestRangesFail(t *testing.T) {
	for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
		for conn := 1; conn < 6; conn++ {
			for _, after := range []int64{0, 1, 30_000, 66_000, 67_000} {
				cut := ftptest.Fault{On: ftptest.Data, Conn: conn, After: after, Kind: kind}
				inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Faults = []ftptest.Fault{cut} }}, func(t *testing.T, w *world) {
					if got, _, _, err := inRanges(t, w); err != nil || !bytes.Equal(got, content) {
						t.Errorf("%+v: %d bytes, %v", cut, len(got), err)
					}
				})
			}
		}
	}
	for nth := 1; nth <= 3; nth++ {
		s := setup{ftp: func(srv *ftptest.Server) {
			srv.Script = []ftptest.Step{{On: "RETR", Nth: nth, Reply: "550 Permission denied."}}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			var pe *fs.PathError
			if _, _, _, err := inRanges(t, w); !errors.Is(err, fs.ErrPermission) || !errors.As(err, &pe) || pe.Path != "pub/file.bin" {
				t.Errorf("Fetch = %v", err)
			}
		})
	}
}

// TestRangesAmong has files that are split among others.
func TestRangesAmong(t *testing.T) {
	inBubble(t, setup{dialer: func(d *ftpnat.Dialer) { d.SplitOver = 150_000 }}, func(t *testing.T, w *world) {
		plantMany(t, w.Server.Tree, 20, 1000)
		for _, name := range []string{"many/00.big", "many/05.big", "many/zz"} {
			if err := w.Server.Tree.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dst := t.TempDir()
		if err := w.openFS(t, "").Fetch(dst, "many"); err != nil {
			t.Fatal(err)
		}
		sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "many"))
	})
}

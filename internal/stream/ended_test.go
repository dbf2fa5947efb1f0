package stream

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestEndedMeanwhile has the context of a transfer end while nothing comes, or no more is
// taken: the read and the write end then.
func TestEndedMeanwhile(t *testing.T) {
	for _, upload := range []bool{false, true} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: 70_000, Kind: ftptest.Silence}}
			if upload {
				s.Limits.Rate = 1000
			}
		}}, func(t *testing.T, w *world) {
			ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
			defer cancel()
			start := time.Now()
			var err error
			if !upload {
				r := w.reader(t)
				defer r.Stop(w.ctx)
				_, err = readAllOf(ctx, r, 0)
			} else {
				out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
				for range 100 {
					if err == nil {
						_, err = out.Write(ctx, fresh)
					}
				}
				out.stop(w.ctx)
			}
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 3*time.Second {
				t.Errorf("upload %v: %v after %v", upload, err, took)
			}
		})
	}
}

// TestEndedWithMore has the context of a read end when more has come than was read: that
// is not handed on.
func TestEndedWithMore(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		r := w.reader(t)
		ctx, cancel := context.WithCancel(w.ctx)
		if _, err := r.Read(ctx, make([]byte, 1000), 0); err != nil {
			t.Fatal(err)
		}
		if r.run.t.Buffered() == 0 {
			t.Fatal("nothing more has come")
		}
		cancel()
		if _, err := r.Read(ctx, make([]byte, 1000), 1000); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if r.run != nil {
			t.Error("the transfer goes on")
		}
	})
}

// TestShortUnderAnyReply has a box end the data of a file whose size the 150 does not tell,
// and the closing reply be lost: by the size that is told afterwards it goes on.
func TestShortUnderAnyReply(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) {
		cut(ftptest.Drained, 1)(s)
		s.Script = []ftptest.Step{{On: "RETR", Nth: 1, Preliminary: "150 Here it comes.", Final: ftptest.None, Then: ftptest.Reset}}
	}}, func(t *testing.T, w *world) {
		for _, size := range []int64{int64(len(content)), -1} {
			r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(size)})
			defer r.Stop(w.ctx)
			got, err := readAllOf(w.ctx, r, 0)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("size %d: %d bytes, %v", size, len(got), err)
			}
		}
	})
}

// TestBrokenAndShutOut has an upload break, and the next login be refused: both are told,
// and the file is not put in place.
func TestBrokenAndShutOut(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Final: "426 Broken.", Then: ftptest.Reset},
			{On: "PASS", Conn: 2, Reply: "530 Login incorrect."}}
	}}, func(t *testing.T, w *world) {
		err := w.write("upload", fresh)
		if err == nil || !strings.Contains(err.Error(), "426 ") || !strings.Contains(err.Error(), "530 ") {
			t.Error(err)
		}
		w.has(t, "file", content)
	})
}

// TestReadFileOverrun has much more of a file come than the server has told: either the
// file has changed, or it is to be read by a Reader, which asks for its size.
func TestReadFileOverrun(t *testing.T) {
	big := bytes.Repeat(content, 50) // more than blindMost
	for _, c := range []struct {
		size string // in reply to SIZE; the true one if empty
		want error
	}{{"213 100", proto.ErrChanged}, {"213 0", proto.ErrChanged}, {"", proto.ErrShort}, {"550 No.", proto.ErrShort}} {
		for _, known := range []bool{true, false} {
			begins := "150 Here it comes (100 bytes)."
			if !known {
				begins = "150 Here it comes."
			}
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				s.Script = []ftptest.Step{{On: "RETR", Preliminary: begins}}
				if c.size != "" {
					s.Script = append(s.Script, ftptest.Step{On: "SIZE", Reply: c.size})
				}
			}}, func(t *testing.T, w *world) {
				if err := w.srv.Tree.WriteFile("big", big, 0o644); err != nil {
					t.Fatal(err)
				}
				got, err := w.files.ReadFile(w.ctx, "big")
				if changed := c.want == proto.ErrChanged; got != nil || errors.Is(err, proto.ErrChanged) != changed || errors.Is(err, proto.ErrShort) == changed {
					t.Errorf("%+v, known %v: %d bytes, %v", c, known, len(got), err)
				}
			})
		}
	}
}

// TestAbortOnce gives up a file that is not in place yet: it is removed, and looked for
// once more, for a session that may make it again. Nothing more is sent.
func TestAbortOnce(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Atomic(Target{Name: "file", Path: "file", Total: -1})
		if _, err := out.Write(w.ctx, fresh); err != nil {
			t.Fatal(err)
		}
		if err := out.Abort(w.ctx); err != nil || w.sent("DELE") != 2 {
			t.Errorf("%v after %d times DELE", err, w.sent("DELE"))
		}
		w.names(t, "file")
	})
}

// TestCopyRefusedAtEnd has the server call a file, all of which has come, not sent: the
// copy of it is no success, whether it can be read or not.
func TestCopyRefusedAtEnd(t *testing.T) {
	for _, flag := range []int{os.O_RDWR, os.O_WRONLY} {
		inWorld(t, scripted(ftptest.Step{On: "RETR", Final: "552 No."}), func(t *testing.T, w *world) {
			local, err := os.OpenFile(filepath.Join(t.TempDir(), "local"), flag|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer local.Close()
			r := w.reader(t)
			defer r.Stop(w.ctx)
			n, err := r.CopyTo(w.ctx, local, 0)
			if n != int64(len(content)) || proto.ReplyOf(err).Code != 552 || w.sent("RETR") != 1 {
				t.Errorf("flag %d: %d, %v after %d times RETR", flag, n, err, w.sent("RETR"))
			}
		})
	}
}

package remote_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

func names(list []listing.Entry) string {
	var all []string
	for _, e := range list {
		all = append(all, e.Name)
	}
	return strings.Join(all, " ")
}

// TestList lists the same on all servers, and stands where it stood after it.
func TestList(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			odd := func(s *ftptest.Server) {
				s.Personality = p
				_ = s.Tree.WriteFile("a [b]/-x", nil, 0o644)
			}
			run(t, odd, func(t *testing.T, w *world) {
				for range 2 {
					for _, c := range []struct{ dir, want string }{
						{"", "a [b] empty pub top"}, {"pub", "deep file"}, {"pub/deep", "file"}, {"empty", ""}, {"a [b]", "-x"},
					} {
						if list, err := w.List(w.ctx, c.dir); names(list) != c.want || err != nil {
							t.Errorf("List(%q): %q, %v", c.dir, names(list), err)
						}
					}
				}
				for dir, kind := range map[string]error{"no": fs.ErrNotExist, "no/no": fs.ErrNotExist, "top": proto.ErrNotDir} {
					_, err := w.List(w.ctx, dir)
					checkKind(t, "List "+dir, err, kind)
				}
			})
		})
	}
}

// TestListEmpty has what servers say in place of an empty listing.
func TestListEmpty(t *testing.T) {
	for reply, kind := range map[string]error{
		"550 No members found.":   nil,
		"550 No files found.":     nil,
		"550 No data sets found.": nil,
		"450 No files found":      nil,
		"550 Permission denied.":  fs.ErrPermission,
	} {
		script := func(s *ftptest.Server) {
			s.Personality = ftptest.Ancient()
			s.Script = []ftptest.Step{{On: "LIST", After150: reply}}
		}
		run(t, script, func(t *testing.T, w *world) {
			list, err := w.List(w.ctx, "")
			if len(list) > 0 || (kind == nil) != (err == nil) {
				t.Errorf("%s: %v, %v", reply, list, err)
			}
		})
	}
}

// TestListTruncated has a listing that the server calls incomplete.
func TestListTruncated(t *testing.T) {
	cut := func(s *ftptest.Server) {
		s.Personality = ftptest.PureFTPd()
		s.Limits.MaxListing = 1
	}
	run(t, cut, func(t *testing.T, w *world) {
		if list, err := w.List(w.ctx, ""); !errors.Is(err, proto.ErrTruncated) {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// TestMLSDUseless goes over to LIST if MLSD does not work, for good.
func TestMLSDUseless(t *testing.T) {
	for _, step := range []ftptest.Step{
		{On: "MLSD", Reply: "500 Unknown command."},
		{On: "MLSD", As: "LIST"}, // lines that are no facts
	} {
		script := func(s *ftptest.Server) { s.Script = []ftptest.Step{step} }
		run(t, script, func(t *testing.T, w *world) {
			for range 2 {
				w.commands()
				if list, err := w.List(w.ctx, "pub"); names(list) != "deep file" || err != nil {
					t.Errorf("%v, %v", list, err)
				}
			}
			if sent := w.commands(); slices.ContainsFunc(sent, func(s string) bool { return strings.HasPrefix(s, "MLSD") }) {
				t.Errorf("sent %q", sent)
			}
			if w.HasMLSD() {
				t.Error("MLSD is still there")
			}
		})
	}
}

// TestListInLine has two listings in a row cut on their way, at any byte, with the
// server none the wiser: no part of a name passes for a name.
func TestListInLine(t *testing.T) {
	const whole = "empty pub top"
	short := 0
	for first := int64(30); first < 330; first += 17 {
		for second := int64(30); second < 330; second += 17 {
			cut := func(s *ftptest.Server) {
				s.Personality = ftptest.VSFTPD()
				s.Script = []ftptest.Step{{On: "LIST", Final: "226 Directory send OK."}}
				for i, n := range []int64{first, second} {
					s.Faults = append(s.Faults, ftptest.Fault{On: ftptest.Data, Conn: i + 1, Dir: ftptest.Sent, After: n, Kind: ftptest.Cut})
				}
			}
			run(t, cut, func(t *testing.T, w *world) {
				list, err := w.List(w.ctx, "")
				if err == nil && !strings.HasPrefix(whole+" ", names(list)+" ") && len(list) > 0 {
					t.Errorf("cut after %d and %d bytes: %q", first, second, names(list))
				}
				if errors.Is(err, proto.ErrShort) {
					short++
				}
			})
		}
	}
	if short == 0 {
		t.Error("no cut was seen")
	}
}

// TestStat describes what links lead to, with MLST and without.
func TestStat(t *testing.T) {
	for _, p := range servers() {
		t.Run(p.Name, func(t *testing.T) {
			links := func(s *ftptest.Server) {
				s.Personality = p
				for name, target := range map[string]string{"l/file": "../pub/file", "l/dir": "/pub", "l/none": "no", "l/loop": "loop"} {
					_ = s.Tree.MkdirAll("l")
					_ = s.Tree.Symlink(target, name)
				}
			}
			run(t, links, func(t *testing.T, w *world) {
				for name, want := range map[string]listing.Type{"": listing.TypeDir, "top": listing.TypeFile, "pub": listing.TypeDir, "l/file": listing.TypeFile, "l/dir": listing.TypeDir} {
					e, err := remote.Stat(w.ctx, w.Session, name, false)
					if err != nil || e.Type != want || e.Name != remote.BaseName(name) {
						t.Errorf("Stat(%q): %v, %v", name, e, err)
					}
				}
				for _, name := range []string{"no", "pub/no", "no/no", "top/x", "l/none"} {
					if e, err := remote.Stat(w.ctx, w.Session, name, false); !errors.Is(err, proto.ErrMissing) {
						t.Errorf("Stat(%q): %v, %v", name, e, err)
					}
				}
				if e, err := remote.Lstat(w.ctx, w.Session, "l/none"); err != nil || e.Type != listing.TypeLink {
					t.Errorf("Lstat of a link: %v, %v", e, err)
				}
				if _, err := remote.Stat(w.ctx, w.Session, "l/loop", false); err == nil {
					t.Error("Stat of a link to itself")
				}
			})
		})
	}
}

// TestStatLinkUnsaid has where a link leads not be known: the error says why, and nothing
// else stands for it.
func TestStatLinkUnsaid(t *testing.T) {
	links := func(target string, script ...ftptest.Step) func(s *ftptest.Server) {
		return func(s *ftptest.Server) {
			s.Personality, s.Script = ftptest.PureFTPd(), script
			s.Personality.Features = []string{"SIZE", "MDTM", "MLST"}
			_ = s.Tree.Symlink(target, "link")
		}
	}
	runWith(t, muteTargets{}, links("TOP"), func(t *testing.T, w *world) {
		if e, err := remote.Stat(w.ctx, w.Session, "link", false); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v, %v", e, err)
		}
	})
	run(t, links("/top", ftptest.Step{On: "PWD", Then: ftptest.Reset}), func(t *testing.T, w *world) {
		if e, err := remote.Stat(w.ctx, w.Session, "link", false); !errors.Is(err, proto.ErrLost) {
			t.Errorf("%v, %v", e, err)
		}
	})
	run(t, links("/top"), func(t *testing.T, w *world) {
		if e, err := remote.Stat(w.ctx, w.Session, "link", false); err != nil || e.Type != listing.TypeFile || e.Name != "link" {
			t.Errorf("%v, %v", e, err)
		}
	})
}

// muteTargets is a charset that has no form for what a link leads to.
type muteTargets struct{}

// Encode translates to the wire.
func (muteTargets) Encode(name string) (string, error) { return name, nil }

// Decode translates from the wire.
func (muteTargets) Decode(wire string) (string, error) {
	if strings.Contains(wire, "TOP") {
		return "", fs.ErrInvalid
	}
	return wire, nil
}

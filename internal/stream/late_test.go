package stream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestLateSTOROfName has a session that was given up read its STOR when the file has
// been sent again under its own name, where no other one can be used: what was
// emptied is sent again if it is still there, and is not called whole in any case.
func TestLateSTOROfName(t *testing.T) {
	late := func(s *ftptest.Server, nth int) ftptest.Step {
		return ftptest.Step{On: "STOR", Nth: nth, Do: func() {
			time.AfterFunc(350*time.Millisecond, func() { s.Tree.WriteFile("file", nil, 0o644) })
		}}
	}
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, how := range []string{"held", "long", "new", "stream"} {
			for _, then := range []ftptest.Ending{ftptest.Keep, ftptest.Reset} {
				for _, times := range []int{1, 10} {
					t.Run(fmt.Sprint(p.Name, " ", how, " ", then, " ", times), func(t *testing.T) {
						inWorld(t, setup{ftp: func(s *ftptest.Server) {
							s.Personality = p
							s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Reply: ftptest.None, Then: then}}
							for i := range times {
								s.Script = append(s.Script, late(s, 2+i))
							}
						}}, func(t *testing.T, w *world) {
							// The fast way is for a mode that has worked.
							if _, err := w.files.ReadFile(w.ctx, "file"); err != nil {
								t.Fatal(err)
							}
							size := len(fresh)
							if how == "held" || how == "new" {
								size = 10_000
							}
							to := Target{Name: "file", Path: "file", Total: -1, Ours: how == "new"}
							var err error
							if how == "stream" {
								err = w.files.writeOnce(w.ctx, w.files.Writer(to), fresh[:size])
							} else {
								err = w.files.WriteFile(w.ctx, to, fresh[:size])
							}
							time.Sleep(time.Minute)
							if err == nil {
								w.has(t, "file", fresh[:size])
							}
							if (times == 1 && how != "stream") != (err == nil) || err != nil && !errors.Is(err, proto.ErrMismatch) {
								t.Error(err)
							}
							if n := w.sent("STOR"); n > 5 {
								t.Errorf("%d times STOR", n)
							}
						})
					})
				}
			}
		}
	}
}

// TestCutAndCalledComplete has a box end the data of an upload, and the server call
// it complete: what the size tells is evidence that bytes were lost, and what is
// still there to be sent is sent again.
func TestCutAndCalledComplete(t *testing.T) {
	cut := func(conn int) ftptest.Fault {
		return ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: ftptest.Received, After: 1000, Kind: ftptest.Drained}
	}
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, size := range []int{10_000, len(fresh)} {
			for _, conn := range []int{1, 0} {
				for _, how := range []string{"WriteFile", "atomic"} {
					if how == "atomic" && size > maxHeld {
						continue // it is not there any more
					}
					t.Run(fmt.Sprint(p.Name, " ", how, " ", size, " ", conn), func(t *testing.T) {
						inWorld(t, setup{ftp: func(s *ftptest.Server) {
							s.Personality, s.Faults = p, []ftptest.Fault{cut(conn)}
						}}, func(t *testing.T, w *world) {
							var err error
							if how == "atomic" {
								err = w.write(how, fresh[:size])
							} else {
								err = w.files.WriteFile(w.ctx, Target{Name: "file", Path: "file"}, fresh[:size])
							}
							if conn == 0 {
								if !errors.Is(err, proto.ErrMismatch) || w.sent("STOR") > 4 {
									t.Errorf("%v after %d times STOR", err, w.sent("STOR"))
								}
								return
							}
							if err != nil {
								t.Error(err)
							}
							w.has(t, "file", fresh[:size])
						})
					})
				}
			}
		}
	}
}

// TestLateSTORUntold is TestLateSTOROfName on servers that tell no sizes: by SIZE,
// or in listings either.
func TestLateSTORUntold(t *testing.T) {
	for _, blind := range []bool{false, true} {
		for _, size := range []int{10_000, len(fresh)} {
			t.Run(fmt.Sprint(blind, " ", size), func(t *testing.T) {
				inWorld(t, setup{ftp: func(s *ftptest.Server) {
					s.Personality = ftptest.VSFTPD()
					s.Script = []ftptest.Step{{On: "SIZE", Reply: "550 Permission denied."}, {On: "STOR", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset},
						{On: "STOR", Nth: 2, Do: func() {
							time.AfterFunc(350*time.Millisecond, func() { s.Tree.WriteFile("file", nil, 0o644) })
						}}}
					if blind {
						s.Script = append(s.Script, ftptest.Step{On: "LIST", Reply: "550 Permission denied."})
					}
				}}, func(t *testing.T, w *world) {
					err := w.files.WriteFile(w.ctx, Target{Name: "file", Path: "file"}, fresh[:size])
					time.Sleep(time.Minute)
					switch {
					case blind && !errors.Is(err, proto.ErrNoVerdict):
						t.Error(err)
					case !blind && err != nil:
						t.Error(err)
					case !blind:
						w.has(t, "file", fresh[:size])
					}
				})
			})
		}
	}
}

// TestLateUnproven has an upload be lost that was not begun ahead of the 150, and the file
// be gone: a session that was given up may make it again under a temporary name, which is
// removed twice then. Under the file's own one it may empty it, unless it has read its STOR.
func TestLateUnproven(t *testing.T) {
	for _, end := range []string{"read", "lost", "silence"} {
		read := end == "read"
		for _, how := range []string{"atomic", "own"} {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				stor := ftptest.Step{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset, Do: func() {
					time.AfterFunc(200*time.Millisecond, func() { _ = s.Tree.Remove(stored(s)[0]) })
				}}
				if !read {
					stor.Reply, stor.Final = ftptest.None, ""
				}
				if end == "silence" {
					stor.Then = ftptest.Keep
				}
				s.Script = []ftptest.Step{stor, {On: "RNTO", Nth: 1, Do: func() {
					time.AfterFunc(300*time.Millisecond, func() { s.Tree.WriteFile(stored(s)[0], nil, 0o644) })
				}}}
			}}, func(t *testing.T, w *world) {
				if how == "own" {
					out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
					if err := w.files.writeOnce(w.ctx, out, fresh[:1000]); err != nil || out.late == read {
						t.Errorf("%s: late %v, %v", end, out.late, err)
					}
					w.has(t, "up", fresh[:1000])
					return
				}
				if err := w.write(how, fresh[:1000]); err != nil || w.sent("STOR") != 2 {
					t.Errorf("%s: %d times STOR, %v", end, w.sent("STOR"), err)
				}
				w.has(t, "file", fresh[:1000])
				time.Sleep(time.Minute)
				w.names(t, "file")
			})
		}
	}
}

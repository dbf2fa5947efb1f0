package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// explained is what a refusal means. The server has newTree's files.
var explained = []struct {
	op   remote.Op
	name string
	code int
	text string
	kind error // nil if the refusal stays as it is
}{
	{remote.OpAccess, "no", 550, "What?", fs.ErrNotExist},
	{remote.OpAccess, "no/no/no", 550, "Permission denied.", fs.ErrNotExist},
	{remote.OpAccess, "top/x", 550, "What?", fs.ErrNotExist},
	{remote.OpAccess, "pub/file", 550, "No such file.", fs.ErrPermission},
	{remote.OpAccess, "pub", 550, "What?", fs.ErrPermission},
	{remote.OpAccess, "no", 450, "Busy.", nil},
	{remote.OpAccess, "no", 450, "No such file.", fs.ErrNotExist},
	{remote.OpAccess, "pub/file", 451, "Permission denied.", fs.ErrPermission},
	{remote.OpAccess, "no", 500, "Unknown command.", nil},
	{remote.OpAccess, "no", 502, "Not implemented.", nil},

	{remote.OpList, "no", 550, "What?", fs.ErrNotExist},
	{remote.OpList, "top", 550, "What?", proto.ErrNotDir},
	{remote.OpList, "pub", 550, "No such directory.", fs.ErrPermission},
	{remote.OpList, "", 550, "What?", nil},
	{remote.OpList, "", 550, "Permission denied.", fs.ErrPermission},
	{remote.OpList, "", 550, "No such directory.", fs.ErrNotExist},

	{remote.OpRead, "pub", 550, "Failed to open file.", proto.ErrIsDir},
	{remote.OpRead, "no", 550, "Failed to open file.", fs.ErrNotExist},
	{remote.OpRead, "pub/file", 550, "Failed to open file.", fs.ErrPermission},
	{remote.OpRead, "pub/file", 426, "Connection closed.", nil},
	{remote.OpRead, "no", 450, "No such file.", fs.ErrNotExist},
	{remote.OpRead, "no", 452, "No such file.", nil},
	{remote.OpRead, "pub/file", 500, "Unknown command.", nil},

	{remote.OpMake, "pub", 550, "What?", fs.ErrExist},
	{remote.OpMake, "pub/file", 450, "What?", fs.ErrExist},
	{remote.OpMake, "no/new", 550, "What?", fs.ErrNotExist},
	{remote.OpMake, "top/new", 550, "What?", proto.ErrNotDir},
	{remote.OpMake, "pub/new", 550, "What?", fs.ErrPermission},
	{remote.OpMake, "new", 550, "What?", fs.ErrPermission},
	{remote.OpMake, "pub/new", 452, "Disk full.", nil},

	{remote.OpWrite, "no/new", 553, "Could not create file.", fs.ErrNotExist},
	{remote.OpWrite, "top/new", 550, "What?", proto.ErrNotDir},
	{remote.OpWrite, "pub/new", 553, "Could not create file.", fs.ErrPermission},
	{remote.OpWrite, "no/new", 551, "What?", fs.ErrNotExist},
	{remote.OpWrite, "no/new", 552, "Quota exceeded.", nil},
	{remote.OpWrite, "no/new", 452, "Disk full.", nil},
	{remote.OpWrite, "new", 553, "Could not create file.", nil},

	{remote.OpTimes, "no", 500, "Unknown command.", fs.ErrNotExist},
	{remote.OpTimes, "top", 500, "Unknown command.", errors.ErrUnsupported},
}

// kinds are all kinds of errors, so that each test sees those that it does not
// want too.
var kinds = []error{
	fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, errors.ErrUnsupported,
	proto.ErrNotDir, proto.ErrIsDir, proto.ErrNotEmpty,
}

// checkKind checks that an error is of a kind, and of no other; nil for none.
func checkKind(t *testing.T, what string, err, kind error) {
	t.Helper()
	for _, k := range kinds {
		unsupported := k == errors.ErrUnsupported && proto.ReplyOf(err).Unsupported() // is one by itself
		if got := errors.Is(err, k); got != (k == kind || unsupported) {
			t.Errorf("%s: %v: is %v: %v", what, err, k, got)
		}
	}
}

// servers are one with MLST, one that hides dot files in LIST, and one that
// knows neither MLST nor SIZE.
func servers() []ftptest.Personality {
	return []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.Ancient()}
}

func TestExplain(t *testing.T) {
	for _, p := range servers() {
		t.Run(p.Name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
				for _, c := range explained {
					err := refusal("SITE TEST", c.code, c.text)
					got := remote.Explain(w.ctx, w.Session, c.op, c.name, err)
					what := fmt.Sprintf("op %d on %q, %d %s", c.op, c.name, c.code, c.text)
					checkKind(t, what, got, c.kind)
					if c.kind == nil && got != err {
						t.Errorf("%s: %v, want the refusal itself", what, got)
					}
					if proto.ReplyOf(got).Code != c.code {
						t.Errorf("%s: %v has lost the reply", what, got)
					}
				}
			})
		})
	}
}

// TestExplainBlind has a server that says of no name whether it is there: the
// words of the refusal are all there is.
func TestExplainBlind(t *testing.T) {
	blind := func(s *ftptest.Server) {
		s.Personality = ftptest.VSFTPD()
		for _, verb := range []string{"LIST", "CWD", "SIZE"} {
			s.Script = append(s.Script, ftptest.Step{On: verb, Reply: "550 No."})
		}
	}
	run(t, blind, func(t *testing.T, w *world) {
		for _, c := range []struct {
			op   remote.Op
			text string
			kind error
		}{
			{remote.OpAccess, "No such file.", fs.ErrNotExist},
			{remote.OpAccess, "Permission denied.", fs.ErrPermission},
			{remote.OpAccess, "What?", nil},
			{remote.OpList, "The system cannot find the path.", fs.ErrNotExist},
			{remote.OpRead, "Access is denied.", fs.ErrPermission},
			{remote.OpMake, "Permission denied.", nil},
			{remote.OpWrite, "No such file.", nil},
			{remote.OpTimes, "No such file.", errors.ErrUnsupported},
		} {
			err := remote.Explain(w.ctx, w.Session, c.op, "pub/file", refusal("SITE TEST", 550, c.text))
			checkKind(t, fmt.Sprintf("op %d, %s", c.op, c.text), err, c.kind)
		}
	})
}

// TestExplainNothing has what is no refusal of a name, and costs no command.
func TestExplainNothing(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		noRestart := fmt.Errorf("%w: %w", proto.ErrNoRestart, refusal("REST 5", 502, "No."))
		for _, c := range []struct {
			op  remote.Op
			err error
		}{
			{remote.OpAccess, nil},
			{remote.OpAccess, errors.New("local")},
			{remote.OpRead, noRestart},
			{remote.OpRead, &proto.NegotiateError{Err: refusal("RETR no", 550, "No.")}},
			{remote.OpWrite, refusal("STOR no/no", 552, "Full.")},
		} {
			if got := remote.Explain(w.ctx, w.Session, c.op, "no/no", c.err); got != c.err {
				t.Errorf("op %d: %v, want %v", c.op, got, c.err)
			}
		}
		refused := refusal("STOR new", 553, "No.")
		if got := remote.Explain(w.ctx, w.Session, remote.OpWrite, "new", refused); got != refused {
			t.Errorf("in the root: %v", got)
		}
		if remote.Explainable("new", refused) || !remote.Explainable("pub/new", refused) {
			t.Error("only what is in a directory can be explained by that")
		}
		if sent := w.commands(); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

// TestExplainEnded returns the context's error if that has ended.
func TestExplainEnded(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		cancel()
		for op := remote.OpAccess; op <= remote.OpTimes; op++ {
			if err := remote.Explain(ctx, w.Session, op, "pub/no", refusal("SITE TEST", 550, "What?")); !errors.Is(err, context.Canceled) {
				t.Errorf("op %d: %v", op, err)
			}
		}
	})
}

// TestExplainedOnce looks a name up once to say why it was refused.
func TestExplainedOnce(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		err := remote.Remove(w.ctx, w.Session, "no", true)
		if sent, want := w.commands(), []string{"DELE no", "MLST no"}; !slices.Equal(sent, want) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove: %v, sent %q, want %q", err, sent, want)
		}
		err = remote.Rename(w.ctx, w.Session, "no", "yes")
		if sent, want := w.commands(), []string{"RNFR no", "MLST no"}; !slices.Equal(sent, want) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename: %v, sent %q, want %q", err, sent, want)
		}
	})
}

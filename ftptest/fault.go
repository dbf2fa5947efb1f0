package ftptest

import (
	"strings"
	"time"

	server "github.com/ftpnat/ftpnat/internal/ftptest"
)

// Greeting stands for the server's first reply where a [Fault] takes a command.
const Greeting = server.Greeting

// A Fault is one thing that a [Server] does wrong. It applies to every command
// or data connection that it names, unless [Fault.On] selects one.
type Fault struct {
	nth  int
	step server.Step    // one answer, if it names a command
	data []server.Fault // what happens to data connections
}

// On returns a copy of f that applies to the nth occurrence alone, counted from
// 1 over all connections: of the command, or of data connections (those of
// listings included).
func (f Fault) On(nth int) Fault {
	f.nth = nth
	return f
}

// Refuse answers a command such as "EPSV" with 502.
func Refuse(command string) Fault {
	return Reply(command, "502 Command refused.")
}

// Reply answers a command with the reply given, such as "550 Permission
// denied.", instead of carrying it out. Lines are separated by "\n".
func Reply(command, reply string) Fault {
	return Fault{step: server.Step{On: command, Reply: reply}}
}

// Delay waits before a command is carried out.
func Delay(command string, d time.Duration) Fault {
	return Fault{step: server.Step{On: command, Delay: d}}
}

// Swallow leaves a command, and everything that follows it on the control
// connection, without a reply, as some firewalls do.
func Swallow(command string) Fault {
	return Fault{step: server.Step{On: command, Then: server.Silence}}
}

// ResetAt resets the control connection when a command arrives, as some
// firewalls do.
func ResetAt(command string) Fault {
	return Fault{step: server.Step{On: command, Then: server.Reset}}
}

// Fail carries out a transfer command such as "STOR" and then gives the reply,
// such as "452 Disk full.", in place of the one that confirms the transfer.
func Fail(command, reply string) Fault {
	return Fault{step: server.Step{On: command, Final: reply}}
}

// CutData closes data connections after n bytes have crossed, in either
// direction. The server reports the failed transfer on the control connection.
func CutData(n int64) Fault { return dataFault(n, server.Cut) }

// StallData leaves data connections open after n bytes, with nothing more
// crossing.
func StallData(n int64) Fault { return dataFault(n, server.Silence) }

func dataFault(n int64, kind server.Ending) Fault {
	f := server.Fault{On: server.Data, After: n, Kind: kind}
	sent, received := f, f
	sent.Dir, received.Dir = server.Sent, server.Received
	return Fault{data: []server.Fault{sent, received}}
}

// apply sets the fault up in a server that has not started.
func (f Fault) apply(s *server.Server) {
	if f.step.On != "" {
		f.step.Nth = f.nth
		s.Script = append(s.Script, f.step)
	}
	for _, d := range f.data {
		d.Conn = f.nth
		s.Faults = append(s.Faults, d)
	}
}

// masked returns a command line as it may be shown.
func masked(line string) string {
	if verb, _, _ := strings.Cut(line, " "); strings.EqualFold(verb, "PASS") {
		return verb + " ****"
	}
	return line
}

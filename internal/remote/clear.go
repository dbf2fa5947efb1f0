package remote

import (
	"context"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Doomed is a name that is to be removed.
type Doomed struct {
	Name string
	File bool // by DELE
	Dir  bool // by RMD; after DELE, which removes what only looks like a directory
}

// clearBytes bounds the commands that are on their way: they fit in what any server
// reads at once, so that none is joined with another, which would have it remove
// something else.
const clearBytes = 4000

// Clear removes names, and sends the commands without waiting in between where the
// server is known to keep them. For each name in turn it calls done, with the
// refusal or nil. If it returns an error, that is of the connection, and of the
// names that follow it is not known whether they were removed.
func Clear(ctx context.Context, s *Session, list []Doomed, done func(refusal error)) error {
	for len(list) > 0 {
		var lines []string
		n, size := 0, 0
		for _, d := range list {
			commands, err := clearing(s, d)
			if err != nil && n == 0 {
				done(err)
				list = list[1:]
			}
			for _, line := range commands {
				size += len(line)
			}
			if err != nil || n > 0 && (size > clearBytes || !s.Pipelines()) {
				break
			}
			n++
			lines = append(lines, commands...)
		}
		if err := clearSome(ctx, s, list[:n], lines, done); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// clearing returns the commands that remove a name.
func clearing(s *Session, d Doomed) ([]string, error) {
	var verbs []string
	if d.File {
		verbs = append(verbs, "DELE")
	}
	if d.Dir {
		verbs = append(verbs, "RMD")
	}
	return s.lines(d.Name, verbs...)
}

// clearSome sends the commands for some names, all at once if there is more than one.
func clearSome(ctx context.Context, s *Session, list []Doomed, lines []string, done func(refusal error)) error {
	together := len(lines)
	if !s.Pipelines() {
		together = 1
	}
	at, removed := 0, false // in list
	for len(lines) > 0 {
		err := s.Batch(ctx, lines[:together], changeLimit, func(i int, r proto.Reply) error {
			refusal := proto.Refusal(lines[i], r)
			if r.Code == 421 {
				return refusal // the server takes its leave
			}
			removed = removed || r.Completed()
			if first := list[at].File && list[at].Dir && lines[i][0] == 'D'; first {
				return nil
			}
			if removed {
				refusal = nil
			}
			done(refusal)
			at, removed = at+1, false
			return nil
		})
		if err != nil {
			return err
		}
		lines = lines[together:]
	}
	return nil
}

// Denied returns the refusal to remove something that is there as what it means for
// a file system.
func Denied(err error) error {
	if !OpAccess.explains(err) {
		return err
	}
	return &proto.FSError{Kind: kindFound(nil, err), Err: err}
}

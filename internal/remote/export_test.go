package remote

import (
	"context"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Mkdir is one try of a [Making], of a name that is known to be free.
func Mkdir(ctx context.Context, s *Session, name string) error {
	return (&Making{there: proto.No}).Do(ctx, s, name)
}

// Remove is one try of a [Removal].
func Remove(ctx context.Context, s *Session, name string, careful bool) error {
	return (&Removal{Careful: careful}).Do(ctx, s, name)
}

// Renamed reports what a [Renaming] whose reply was lost finds out.
func Renamed(ctx context.Context, s *Session, from, to string, size int64) (bool, error) {
	return (&Renaming{From: from, To: to, Size: size}).done(ctx, s)
}

// ErrUnsettled is the error of a Rename whose reply was lost.
var ErrUnsettled = errUnsettled

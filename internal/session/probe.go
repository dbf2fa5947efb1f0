package session

import (
	"context"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// The limits of a probe, for which a person waits.
const (
	// probeLimit is the longest time that a probe may take, apart from the QUIT
	// at its end.
	probeLimit = 28 * time.Second
	// probeRetry is how long a lost control connection is tried again: a server
	// that allows one connection needs about a second to see that the last one
	// is gone.
	probeRetry = 4 * time.Second
	// closeWithin is what is left of a deadline of the caller's for the end.
	closeWithin = 300 * time.Millisecond
)

// Probe logs in, tries every mode and returns the session, a mode that works, and
// why not all were tried. It takes less than 30 seconds, or less than the deadline
// of ctx. The settings are changed for it.
func Probe(ctx context.Context, cfg *Config) (c *Conn, works proto.Mode, stopped, err error) {
	cfg.RetryFor, cfg.OneByOne, cfg.Transfer.OneByOne = min(cfg.RetryFor, probeRetry), true, true
	limit := probeLimit
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		limit = min(limit, left-min(closeWithin, left/2))
	}
	pctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err = Dial(pctx, cfg)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, 0, nil, proto.ContextError(ctx, retry.Public(err))
	case err != nil && pctx.Err() != nil:
		return nil, 0, nil, fmt.Errorf("ftpnat: %s: the login took more than %v: %w", cfg.Server, proto.Rounded(limit), retry.Public(err))
	case err != nil:
		return nil, 0, nil, retry.Public(err)
	}
	works, stopped = c.transfer.Probe(pctx)
	if ctx.Err() != nil {
		_ = c.Quit(context.WithoutCancel(ctx))
		return nil, 0, nil, ctx.Err()
	}
	return c, works, stopped, nil
}

//go:build linux

package client

import (
	"context"
	"fmt"
	"net/url"
)

func (job Job) do(ctx context.Context, u *url.URL, r *Result) error {
	if job.Task != nil {
		return job.task(ctx, u, r)
	}
	switch job.Kind {
	case FS:
		return job.fs(ctx, u, r)
	case Bridge:
		return job.bridge(ctx, u, r)
	case Jlaffaye:
		return job.jlaffaye(ctx, u, r)
	case Probe:
		return job.probe(ctx, u, r)
	case Report:
		return job.report(ctx, u, r)
	}
	return fmt.Errorf("no such client: %q", job.Kind)
}

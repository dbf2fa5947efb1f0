//go:build linux

package trips

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// Figure is what a client took for a row.
type Figure struct {
	Wall    float64 // time, in round trips of the wire
	Counted float64 // what delay.Record.Trips counts
	Conns   int     // control connections that were opened

	Transcript string // of a library that tells
}

// jobTimeout is for one run of a client.
const jobTimeout = 90 * time.Second

// Library measures a client that is a Go package: client.FS or
// client.Jlaffaye. The error says what went wrong, be it there or in the
// laboratory.
func (p *Place) Library(ctx context.Context, kind client.Kind, row Row) (Figure, error) {
	files, warm := row.names()
	folder := ""
	if row.walks() {
		folder = tree
	}
	if kind == client.Jlaffaye && row.Active {
		return Figure{}, ErrNone
	}
	job := client.Job{
		Kind: kind, URL: p.URL(folder), Timeout: jobTimeout,
		Task: &client.Task{Action: row.Action, Warm: warm, Files: files, Size: smallSize, Conns: row.Conns, ListHidden: p.Kind == servers.Vsftpd},
	}
	if row.Active {
		job.Settings.Modes = []string{"PORT"}
	}
	if p.TLS != nil {
		job.Settings.RootsPEM, job.Settings.TLSVersion = p.TLS.CertPEM, tls.VersionTLS13
	}
	if err := p.forget(slices.Concat(warm, files), row); err != nil {
		return Figure{}, err
	}
	if err := p.begin(ctx); err != nil {
		return Figure{}, err
	}
	r, err := client.Run(ctx, p.Pair.Client, job)
	if err != nil {
		return Figure{}, err
	}
	if r.Err != "" {
		return Figure{Transcript: transcript(r, p.Wire.RTT)}, errors.New(r.Err)
	}
	f, err := p.figure(row, r.Measured.From, r.Measured.To)
	f = f.over(row.per())
	f.Transcript = transcript(r, p.Wire.RTT)
	return f, cmp.Or(err, row.check(r.Measured.Names, p.Server.Root, files))
}

// settling is for a server to be done with the client before: ProFTPD greets
// the next one a third of a second late.
const settling = 500 * time.Millisecond

// begin begins a record of a client that is alone.
func (p *Place) begin(ctx context.Context) error {
	select {
	case <-time.After(settling):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.Wire.Reset()
	return nil
}

// figure reads the figure of all files together out of the wire's record.
func (p *Place) figure(row Row, from, to time.Duration) (Figure, error) {
	record := p.Wire.Record()
	if row.FirstByte {
		var begun, came bool
		from, begun = record.Start()
		to, came = record.FirstData(controlPort)
		if !begun || !came {
			return Figure{}, errors.New("no data has come over the wire")
		}
	}
	return Figure{
		Wall:    float64(to-from) / float64(p.Wire.RTT),
		Counted: record.Trips(from, to),
		Conns:   record.Connections(controlPort),
	}, nil
}

// over returns what is one of n equal parts.
func (f Figure) over(n float64) Figure {
	f.Wall /= n
	f.Counted /= n
	return f
}

const controlPort = 21

// check compares what the client did with what it was to do. A library has
// compared what it read itself.
func (r Row) check(names []string, root string, files []string) error {
	switch r.Action {
	case client.Walk, client.WalkInfo:
		return checkTree(names, r.Action == client.WalkInfo)
	case client.Write:
		return checkFiles(root, files, small)
	}
	return nil
}

// transcript returns the dialogue with the time of each line, in round trips
// since the clock began to run.
func transcript(r *client.Result, rtt time.Duration) string {
	var b strings.Builder
	for i, line := range r.Trace {
		at := r.Measured.TraceAt[i] - r.Measured.From
		fmt.Fprintf(&b, "%7.2f %s\n", float64(at)/float64(rtt), line)
	}
	return b.String()
}

package ftpnat

import "context"

// Open connects to the server that rawURL names, logs in, and returns the
// directory of the URL's path as a file system. It is [Dialer.Open] of a zero
// [Dialer].
func Open(ctx context.Context, rawURL string) (*FS, error) {
	return new(Dialer).Open(ctx, rawURL)
}

package ftpnat

import "context"

// FS is a directory of a server as a file system.
type FS struct{ c *Conn }

func openFS(ctx context.Context, cfg *config, dir string) (*FS, error) {
	c, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &FS{c}, nil
}

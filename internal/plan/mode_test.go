package plan

import "github.com/ftpnat/ftpnat/internal/proto"

// Mode is the type of the modes in the tests of this package.
type Mode = proto.Mode

const (
	EPSV = proto.EPSV
	PASV = proto.PASV
	PORT = proto.PORT
	EPRT = proto.EPRT
)

package beam
import (
_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/fileio"
_ "github.com/ftpnat/ftpnat/ftptest"
)

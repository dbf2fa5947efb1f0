// Example is a pipeline that reads a day's orders from an FTP server, groups them by
// region and writes the sums back. It needs no arguments: the server is embedded,
// and so is the runner, Beam's prism.
//
// With --base it works on a server of yours, and with --runner on any runner of
// Beam:
//
//	go run ./example --base=ftpes://user@ftp.example.com/orders --runner=...
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"strconv"
	"strings"
	"testing/fstest"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	beamlog "github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
	_ "github.com/ftpnat/ftpnat/adapters/beam"
	"github.com/ftpnat/ftpnat/ftptest"
)

func init() {
	register.Function2x0(parse)
	register.Function2x1(format)
	register.Emitter2[string, float64]()
}

// parse reads a line such as "north,12.50".
func parse(line string, emit func(region string, amount float64)) {
	region, text, _ := strings.Cut(line, ",")
	if amount, err := strconv.ParseFloat(text, 64); err == nil {
		emit(region, amount)
	}
}

func format(region string, sum float64) string { return fmt.Sprintf("%s,%.2f", region, sum) }

func main() {
	base := flag.String("base", "", "the `URL` of a directory with in/*.csv; an embedded server if it is empty")
	flag.Parse()
	if *base == "" {
		beamlog.LogLevel = "warn" // prism has much to say
	}
	// Passwords come from the netrc file, or from a function that would be given
	// to UseDialer here, before Init.
	beam.Init()
	if err := run(context.Background(), *base); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, base string) error {
	pipeline, s := beam.NewPipelineWithRoot()
	write := func(base string) {
		amounts := beam.ParDo(s, parse, textio.Read(s, base+"/in/*.csv"))
		textio.Write(s, base+"/out/sums.csv", beam.ParDo(s, format, stats.SumPerKey(s, amounts)))
	}
	if base != "" {
		write(base)
		return beamx.Run(ctx, pipeline)
	}

	files := fstest.MapFS{}
	for i := range 100 {
		files[fmt.Sprintf("in/%03d.csv", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "north,%d.50\nsouth,%d.25\n", i, 2*i)}
	}
	srv := ftptest.NewServer(files)
	defer srv.Close()
	write("ftp://" + srv.Addr)
	if _, err := prism.Execute(ctx, pipeline); err != nil {
		return err
	}
	sums, err := fs.ReadFile(srv.FS(), "out/sums.csv")
	fmt.Printf("out/sums.csv:\n%s", sums)
	return err
}

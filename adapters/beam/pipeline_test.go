package beam

import (
	"context"
	"fmt"
	"io/fs"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/fileio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/passert"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"
)

func init() {
	register.Function2x0(parseLine)
	register.Function2x1(formatSum)
	register.Function2x2(nameAndSize)

	register.Emitter2[string, int]()
	beam.RegisterType(reflect.TypeFor[order]())
}

const (
	orderFiles   = 1000
	orderRegions = 7
	orderLines   = 5 // of a file
)

// orders is the content of a file of orders.
func orders(file int) string {
	var b strings.Builder
	for line := range orderLines {
		fmt.Fprintf(&b, "region%d,%d\n", (file+line)%orderRegions, file*line)
	}
	return b.String()
}

// sums is what the pipeline is to write.
func sums() map[string]int {
	all := make(map[string]int)
	for file := range orderFiles {
		for line := range orderLines {
			all[fmt.Sprintf("region%d", (file+line)%orderRegions)] += file * line
		}
	}
	return all
}

// onLine is called with the number of each line that a pipeline has read.
var onLine atomic.Pointer[func(n int64)]
var lines atomic.Int64

func parseLine(line string, emit func(string, int)) {
	if do := onLine.Load(); do != nil {
		(*do)(lines.Add(1))
	}
	region, amount, _ := strings.Cut(line, ",")
	n, err := strconv.Atoi(amount)
	if err != nil {
		panic(err)
	}
	emit(region, n)
}

func formatSum(region string, sum int) string { return fmt.Sprintf("%s,%d", region, sum) }

// aggregate runs the pipeline: read, group, write.
func aggregate(t *testing.T, base string) {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	parsed := beam.ParDo(s, parseLine, textio.Read(s, base+"/in/*.csv"))
	textio.Write(s, base+"/out/2026/sums.csv", beam.ParDo(s, formatSum, stats.SumPerKey(s, parsed)))
	start := time.Now()
	if err := ptest.Run(p); err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	t.Logf("%d files in %v", orderFiles, time.Since(start).Round(time.Millisecond))
}

// check compares what a pipeline has written.
func check(t *testing.T, text string) {
	t.Helper()
	got := make(map[string]int)
	for line := range strings.Lines(text) {
		region, amount, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ",")
		got[region], _ = strconv.Atoi(amount)
	}
	if want := sums(); !reflect.DeepEqual(got, want) {
		t.Errorf("sums %v, want %v", got, want)
	}
}

// restartAt has do called once, when a pipeline has read n lines.
func restartAt(t *testing.T, n int64, do func()) {
	lines.Store(0)
	f := func(line int64) {
		if line == n {
			do()
		}
	}
	onLine.Store(&f)
	t.Cleanup(func() { onLine.Store(nil) })
}

// TestPipeline reads 1,000 CSV files, groups them and writes the sums, on an
// embedded server, with and without TLS, and with the server restarted in the
// middle.
func TestPipeline(t *testing.T) {
	for name, kind := range map[string]struct{ tls, restart bool }{"plain": {}, "tls": {tls: true}, "restart": {restart: true}} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t, kind.tls)
			for i := range orderFiles {
				if err := site.current.Load().WriteFile(fmt.Sprintf("in/%04d.csv", i), []byte(orders(i)), time.Time{}); err != nil {
					t.Fatal(err)
				}
			}
			restarted := 0
			if kind.restart {
				restartAt(t, 2000, func() { restarted++; site.restart() })
			}
			scheme := "ftp"
			if kind.tls {
				scheme = "ftpes"
			}
			aggregate(t, scheme+"://ftp.test")
			text, err := fs.ReadFile(site.current.Load().FS(), "out/2026/sums.csv")
			if err != nil {
				t.Fatal(err)
			}
			check(t, string(text))
			logins := 4
			if kind.restart {
				logins = 8 // and those that were refused in between
				if restarted != 1 {
					t.Errorf("restarted %d times", restarted)
				}
			}
			if n := site.count("USER"); n > logins {
				t.Errorf("%d logins", n)
			}
			if n := site.count("MLSD"); n > 4 {
				t.Errorf("%d listings", n)
			}
		})
	}
}

type order struct {
	Region string `parquet:"name=region, type=BYTE_ARRAY, convertedtype=UTF8, encoding=PLAIN_DICTIONARY"`
	Amount int64  `parquet:"name=amount, type=INT64"`
}

// TestParquet writes a parquet file and reads it.
func TestParquet(t *testing.T) {
	site := newSite(t, false)
	var all []any
	for i := range 10_000 {
		all = append(all, order{Region: fmt.Sprint("region", i%7), Amount: int64(i)})
	}
	p, s := beam.NewPipelineWithRoot()
	parquetio.Write(s, "ftp://ftp.test/out/orders.parquet", beam.CreateList(s, all))
	if err := ptest.Run(p); err != nil {
		t.Fatal(err)
	}
	p, s = beam.NewPipelineWithRoot()
	read := parquetio.Read(s, "ftp://ftp.test/out/*.parquet", reflect.TypeFor[order]())
	passert.Equals(s, read, all...)
	if err := ptest.Run(p); err != nil {
		t.Error(err)
	}
	if info, err := fs.Stat(site.current.Load().FS(), "out/orders.parquet"); err != nil || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func nameAndSize(ctx context.Context, file fileio.ReadableFile) (string, error) {
	text, err := file.ReadString(ctx)
	return fmt.Sprintf("%s %d %d %d", file.Metadata.Path, file.Metadata.Size, file.Metadata.LastModified.Unix(), len(text)), err
}

// TestFileio matches files and reads them.
func TestFileio(t *testing.T) {
	site := newSite(t, false)
	at := time.Unix(1_790_000_000, 0)
	for name, text := range map[string]string{"a.txt": "a", "dir/b.txt": "bb", "dir/sub/c d%?#.txt": "ccc", "dir/sub/e.csv": ""} {
		if err := site.current.Load().WriteFile(name, []byte(text), at); err != nil {
			t.Fatal(err)
		}
	}
	p, s := beam.NewPipelineWithRoot()
	files := fileio.ReadMatches(s, fileio.MatchFiles(s, "ftp://beam@ftp.test/**/*.txt"))
	passert.Equals(s, beam.ParDo(s, nameAndSize, files),
		"ftp://beam@ftp.test/a.txt 1 1790000000 1",
		"ftp://beam@ftp.test/dir/b.txt 2 1790000000 2",
		"ftp://beam@ftp.test/dir/sub/c d%?#.txt 3 1790000000 3")
	if err := ptest.Run(p); err != nil {
		t.Error(err)
	}
}

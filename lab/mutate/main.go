//go:build linux

// Command mutate tells how much of the code is guarded by tests: it changes one
// thing at a time, such as a comparison, a condition or a statement, and runs
// the tests. They kill a mutant that they fail with; one that survives shows
// what no test looks at.
//
//	go run ./lab/mutate -n 40                          # 40 mutants of each package
//	go run ./lab/mutate -packages internal/pool        # all mutants of one
//	go run ./lab/mutate -packages internal/pool -list  # only show them
//
// No file of the tree is changed: the go command builds mutants with -overlay.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/cli"
)

func main() { cli.Main("mutate", run) }

const module = "github.com/ftpnat/ftpnat"

// options are the flags.
type options struct {
	dir      string // root of the module
	packages []string
	files    *regexp.Regexp
	funcs    *regexp.Regexp
	n        int
	seed     uint64
	root     string // overrides rootTests if set
	workers  int
	limit    time.Duration
	cache    string
	fresh    bool
	known    string
	least    float64
	list     bool
}

func parse(args []string, output io.Writer) (o options, err error) {
	f := flag.NewFlagSet("mutate", flag.ContinueOnError)
	f.SetOutput(output)
	var packages, files, funcs string
	f.StringVar(&o.dir, "C", "", "the root `folder` of the module; ftpnat's if empty")
	f.StringVar(&packages, "packages", strings.Join(defaultPackages, ","), "change only these packages, with commas")
	f.StringVar(&files, "files", "", "change only files whose path matches this `regexp`")
	f.StringVar(&funcs, "funcs", "", "change only functions whose name, such as Pool.Close, matches this `regexp`")
	f.IntVar(&o.n, "n", 0, "try a random sample of this many mutants of each package that compile; 0 means all")
	f.Uint64Var(&o.seed, "seed", 1, "choose the sample by this number")
	f.StringVar(&o.root, "root", "", "run the tests of the module's root package that match this `regexp`, instead of those chosen for each package; - means none")
	f.IntVar(&o.workers, "workers", 1, "try this many mutants at a time")
	f.DurationVar(&o.limit, "limit", 0, "kill the tests of a mutant after this time; 0 means ten seconds and five times as long as they take without a change")
	f.StringVar(&o.cache, "cache", "", "keep the outcomes in this `file`, so that a later run can go on; in the user's cache folder if empty")
	f.BoolVar(&o.fresh, "fresh", false, "forget the outcomes of earlier runs")
	f.StringVar(&o.known, "known", "", "read known survivors from this `file`; lab/mutate/survivors.txt if empty")
	f.Float64Var(&o.least, "least", 90, "fail if fewer `percent` of the mutants are killed")
	f.BoolVar(&o.list, "list", false, "print the mutants and do nothing else")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.packages = strings.Split(packages, ",")
	o.files, err = regexp.Compile(files)
	if err != nil {
		return o, err
	}
	o.funcs, err = regexp.Compile(funcs)
	if err != nil {
		return o, err
	}
	if _, err := regexp.Compile(o.root); err != nil {
		return o, err
	}
	if o.workers < 1 || o.n < 0 {
		return o, errors.New("-workers and -n must be positive")
	}
	if o.n == 0 {
		o.n = math.MaxInt
	}
	return o, nil
}

// place fills in the paths that depend on where the module is.
func (o *options) place(ctx context.Context) error {
	if o.dir == "" {
		out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			return fmt.Errorf("cannot find %s, run mutate in it or name it with -C: %w", module, err)
		}
		o.dir = strings.TrimSpace(string(out))
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	if o.known == "" {
		o.known = filepath.Join(o.dir, "lab", "mutate", "survivors.txt")
	}
	if o.cache == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		o.cache = filepath.Join(cache, "ftpnat-lab", "mutate.json")
	}
	return nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if err := o.place(ctx); err != nil {
		return err
	}
	packages, err := load(ctx, o.dir, o.packages)
	if err != nil {
		return err
	}
	var sample []*mutant
	for _, p := range packages {
		all := p.mutants(o.files, o.funcs)
		sample = append(sample, p.choose(all, o.n, o.seed)...)
	}
	if len(sample) == 0 {
		return errors.New("there is nothing to change in these packages, files and functions")
	}
	if o.list {
		for _, m := range sample {
			fmt.Fprintf(stdout, "%s\n", m)
		}
		return nil
	}
	known, err := readKnown(o.known)
	if err != nil {
		return err
	}
	results, err := o.try(ctx, sample, stdout)
	if err != nil {
		return err
	}
	return newReport(results, known).print(stdout, o.least)
}

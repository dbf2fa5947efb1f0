// Release makes a release of every module of this repository: one version for
// all, and no replace directives. It writes them into a folder that the go
// command takes for a module proxy, so that a release can be tried as a user
// would before it is made:
//
//	go run ./scripts/release -version v0.1.0 -o /tmp/proxy
//	GOPROXY=file:///tmp/proxy,https://proxy.golang.org GONOSUMDB=github.com/ftpnat/ftpnat go install github.com/ftpnat/ftpnat/cmd/ftpnat@v0.1.0
//
// With -w it writes the go.mod and go.sum files of the release into the tree.
// Commit them, tag the commit as the program prints, and push the tags: that is
// the release.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "release: %v\n", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	root := f.String("C", ".", "the `folder` of the repository")
	version := f.String("version", "", "the `version` of all modules, such as v0.1.0")
	out := f.String("o", "", "write the modules into this `folder`, as a module proxy")
	write := f.Bool("w", false, "write go.mod and go.sum of the release into the tree")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%q is no flag", f.Arg(0))
	case !semver.IsValid(*version) || semver.Canonical(*version) != *version:
		return fmt.Errorf("-version %q is not of the form v1.2.3", *version)
	case *out == "" && !*write:
		return errors.New("nothing to do: give -o or -w")
	}
	modules, err := findModules(*root)
	if err != nil {
		return err
	}
	if err := prepare(modules, *version); err != nil {
		return err
	}
	if *out != "" {
		if err := writeProxy(*out, *root, *version, modules); err != nil {
			return err
		}
	}
	for _, m := range modules {
		if *write {
			if err := m.writeBack(); err != nil {
				return err
			}
		}
		fmt.Fprintf(stdout, "%v\ttag %s\n", module.Version{Path: m.path, Version: *version}, path.Join(m.folder, *version))
	}
	return nil
}

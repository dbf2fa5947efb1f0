//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// pkg is a package that is changed.
type pkg struct {
	path     string // of import
	dir      string
	root     string // of the module
	version  string // of the language
	fset     *token.FileSet
	files    []*source
	importer types.Importer
	info     *types.Info
}

// source is a file of a package without its tests.
type source struct {
	name string // relative to the module's root
	path string
	text []byte
	ast  *ast.File
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
	Module                  *struct{ Dir, GoVersion string }
}

// load reads packages, which are named by their folders in the module. The go
// command compiles what they import, so that mutants can be type-checked
// without it.
func load(ctx context.Context, root string, folders []string) ([]*pkg, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly,Module"}
	for _, folder := range folders {
		args = append(args, "./"+filepath.Clean(folder))
	}
	all, err := goList(ctx, root, args)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(exports[path])
	})
	var packages []*pkg
	for _, l := range all {
		if l.DepOnly {
			continue
		}
		p := &pkg{path: l.ImportPath, dir: l.Dir, root: root, fset: fset, importer: imports}
		if l.Module != nil && l.Module.GoVersion != "" {
			p.version = "go" + l.Module.GoVersion
		}
		if err := p.read(l.GoFiles); err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

func goList(ctx context.Context, dir string, args []string) (all []listed, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("go list: %s", exit.Stderr)
	} else if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var l listed
		if err := d.Decode(&l); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// read parses and type-checks the package as it is.
func (p *pkg) read(names []string) error {
	for _, name := range names {
		path := filepath.Join(p.dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(p.fset, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		short, err := filepath.Rel(p.root, path)
		if err != nil {
			return err
		}
		p.files = append(p.files, &source{filepath.ToSlash(short), path, text, file})
	}
	p.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Defs:  map[*ast.Ident]types.Object{},
		Uses:  map[*ast.Ident]types.Object{},
	}
	return p.check(nil, nil, p.info)
}

// check type-checks the package, with a file in place of one of its own.
func (p *pkg) check(old *source, replaced *ast.File, info *types.Info) error {
	var files []*ast.File
	for _, s := range p.files {
		if s == old {
			files = append(files, replaced)
		} else {
			files = append(files, s.ast)
		}
	}
	conf := types.Config{Importer: p.importer, GoVersion: p.version}
	_, err := conf.Check(p.path, p.fset, files, info)
	return err
}

// compiles tells why a mutant cannot be compiled. Nil means that it can.
func (p *pkg) compiles(m *mutant) error {
	file, err := parser.ParseFile(p.fset, m.source.path, m.text(), parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	return p.check(m.source, file, nil)
}

// mutants returns all mutants of the functions and files that match.
func (p *pkg) mutants(files, funcs *regexp.Regexp) (all []*mutant) {
	for _, s := range p.files {
		if !files.MatchString(s.name) {
			continue
		}
		seen := map[string]bool{}
		for _, decl := range s.ast.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil || !funcs.MatchString(funcName(f)) {
				continue
			}
			c := &changer{pkg: p, source: s, name: funcName(f)}
			c.function(f)
			for _, m := range c.out {
				if text := string(m.text()); !seen[text] {
					seen[text] = true
					all = append(all, m)
				}
			}
		}
	}
	return all
}

// choose returns n mutants that compile, at random, and those that do not among
// the first that were drawn.
func (p *pkg) choose(all []*mutant, n int, seed uint64) (chosen []*mutant) {
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, m := range all {
		if n == 0 {
			break
		}
		if m.broken = p.compiles(m); m.broken == nil {
			n--
		}
		chosen = append(chosen, m)
	}
	return chosen
}

// funcName returns the name of a function, with its receiver's type.
func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

package ftpnat_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ftpnat/ftpnat"

// TestHouse compares the imports between packages with the table in
// ARCHITECTURE.md: each package has a row, imports what its row names and no
// more, and that only from rows further down.
func TestHouse(t *testing.T) {
	rows := houseTable(t)
	var order []string
	for _, row := range rows {
		order = append(order, row.name)
	}
	for i, row := range rows {
		got := importsOf(t, row.name)
		if !slices.Equal(got, row.imports) {
			t.Errorf("%s imports %v; ARCHITECTURE.md says %v", row.name, got, row.imports)
		}
		for _, name := range got {
			if j := slices.Index(order, name); j <= i {
				t.Errorf("%s imports %s, which is not below it", row.name, name)
			}
		}
	}
	dirs, err := filepath.Glob("internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if name := filepath.Base(dir); !slices.Contains(order, name) {
			t.Errorf("internal/%s has no row in the table of ARCHITECTURE.md", name)
		}
	}
}

type houseRow struct {
	name    string // of the package in internal; "ftpnat" for the root
	imports []string
}

// houseTable reads the rows of the form "| name | job | imports |" that follow
// the heading "## The house".
func houseTable(t *testing.T) (rows []houseRow) {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## The house\n")
	if !found {
		t.Fatal("ARCHITECTURE.md has no section The house")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.HasPrefix(cells[0], "-") || strings.TrimSpace(cells[0]) == "package" {
			continue
		}
		row := houseRow{name: strings.TrimSpace(cells[0])}
		if imports := strings.Fields(cells[2]); len(imports) > 0 && imports[0] != "-" {
			row.imports = imports
		}
		slices.Sort(row.imports)
		rows = append(rows, row)
	}
	if len(rows) < 10 {
		t.Fatalf("the table of ARCHITECTURE.md has %d rows", len(rows))
	}
	return rows
}

// importsOf returns the inner packages that a package imports outside of tests.
func importsOf(t *testing.T, name string) (imports []string) {
	t.Helper()
	dir := filepath.Join("internal", name)
	if name == "ftpnat" {
		dir = "."
	}
	for _, file := range sources(t, dir) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			inner, ok := strings.CutPrefix(path, module+"/internal/")
			switch {
			case path == module:
				inner, ok = "ftpnat", true
			case strings.HasPrefix(path, module+"/") && !ok:
				t.Errorf("%s imports %s: nothing inside may import what is outside", file, path)
			}
			switch {
			case ok && !slices.Contains(imports, inner):
				imports = append(imports, inner)
			}
		}
	}
	slices.Sort(imports)
	return imports
}

// sources returns the files of a directory that are not tests.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", dir, err)
	}
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

// The limits of what one reader keeps in mind.
const (
	mostFields      = 20 // of a struct
	mostMethods     = 20 // of a type that is in more than methodFiles
	methodFiles     = 4
	mostLines       = 499 // of a file
	mostLinesOfFunc = 60
)

// large are the types that may have any number of fields: the settings of a Dialer
// are one list to a caller, and so is what a Report tells.
var large = []string{"ftpnat.Dialer", "ftpnat.Report"}

// TestHouseTypes holds the size of structs, of types, of files and of functions.
func TestHouseTypes(t *testing.T) {
	dirs, err := filepath.Glob("internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(dirs, ".") {
		name := filepath.Base(dir)
		if name == "." {
			name = "ftpnat"
		}
		if found := overgrown(t, dir, name); len(found) > 0 {
			t.Errorf("%s:\n\t%s", name, strings.Join(found, "\n\t"))
		}
	}
}

// overgrown returns what is too large in a package.
func overgrown(t *testing.T, dir, name string) (found []string) {
	t.Helper()
	tooLarge := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	fset := token.NewFileSet()
	methods, in := make(map[string]int), make(map[string]int) // of a type: methods, and files that have any
	for _, file := range sources(t, dir) {
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		lines := func(n ast.Node) int { return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1 }
		if n := fset.File(f.FileStart).LineCount(); n > mostLines {
			tooLarge("%s has %d lines", file, n)
		}
		here := make(map[string]bool)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if lines(n) > mostLinesOfFunc {
					tooLarge("%s in %s has %d lines", n.Name.Name, file, lines(n))
				}
				if n.Recv != nil {
					of := receiver(n.Recv.List[0].Type)
					methods[of]++
					here[of] = true
				}
			case *ast.TypeSpec:
				st, ok := n.Type.(*ast.StructType)
				if of := name + "." + n.Name.Name; ok && st.Fields.NumFields() > mostFields && !slices.Contains(large, of) {
					tooLarge("%s has %d fields", of, st.Fields.NumFields())
				}
			}
			return true
		})
		for of := range here {
			in[of]++
		}
	}
	for of, n := range methods {
		if n > mostMethods && in[of] > methodFiles {
			tooLarge("%s.%s has %d methods in %d files", name, of, n, in[of])
		}
	}
	return found
}

// receiver returns the name of the type that a method is of.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

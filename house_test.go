package ftpnat_test

import (
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
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
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

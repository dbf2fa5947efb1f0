// Package docs_test keeps the pages of this folder true: their code compiles,
// what they quote is what a test runs, their links lead somewhere, and their
// figures are those that are measured.
package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write quoted code and measured figures into the pages")

// pages are the files whose code, links and figures are checked.
func pages(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	more, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../examples/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(names, more, examples)
}

// A block is a piece of Go in a page.
type block struct {
	page string
	line int // of its first line of code, from 1
	code string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// blocksOf returns the fenced blocks of Go in a page.
func blocksOf(t *testing.T, page string) (list []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		switch {
		case strings.HasPrefix(line, "```go"):
			inside = true
			list = append(list, block{page: page, line: n + 1})
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside:
			list[len(list)-1].code += line
		}
	}
	return list
}

// declares reports whether the block is declarations, rather than statements
// of a function.
func (b block) declares() bool {
	return regexp.MustCompile(`(?m)^(func|type|import|package) `).MatchString(b.code)
}

// imported are the packages that code in the pages may use, by name.
var imported = map[string]string{
	"ftpnat": "github.com/ftpnat/ftpnat", "ftptest": "github.com/ftpnat/ftpnat/ftptest", "portmap": "github.com/ftpnat/ftpnat/portmap",
	"ftp":   "github.com/jlaffaye/ftp",
	"bytes": "bytes", "context": "context", "errors": "errors", "fmt": "fmt", "fstest": "testing/fstest", "fs": "io/fs", "http": "net/http", "iter": "iter",
	"io": "io", "json": "encoding/json", "log": "log", "maps": "maps", "net": "net", "netip": "net/netip", "os": "os", "path": "path",
	"filepath": "path/filepath", "slices": "slices", "slog": "log/slog", "strings": "strings", "sync": "sync", "syscall": "syscall",
	"testing": "testing", "time": "time", "tls": "crypto/tls", "url": "net/url", "x509": "crypto/x509", "zip": "archive/zip",
}

// known are the variables that statements in the pages may use without having
// declared them.
const known = `ctx context.Context, d *ftpnat.Dialer, fsys *ftpnat.FS, c *ftpnat.Conn, f *ftpnat.File, old *ftp.ServerConn,
	addr, name string, data []byte, file *os.File, r io.Reader, size int64, w io.Writer, visit fs.WalkDirFunc`

// source returns the block as a file of Go that can be type-checked by itself.
func (b block) source() string {
	body := b.code
	if !b.declares() {
		body = "func _(" + strings.ReplaceAll(known, "\n", " ") + ") {\n{\n//line " + b.String() + "\n" + b.code + "}\n}\n"
	}
	var head strings.Builder
	head.WriteString("package p\n")
	for name, path := range imported {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(body) {
			fmt.Fprintf(&head, "import %s %q\n", name, path)
		}
	}
	return head.String() + "//line " + b.String() + "\n" + body
}

// TestBlocks type-checks all code in the pages. The functions of a page may call
// each other, and its statements may call them.
func TestBlocks(t *testing.T) {
	imports := exports(t)
	for _, page := range pages(t) {
		blocks := blocksOf(t, page)
		for _, errs := range check(t, blocks, imports) {
			t.Errorf("%v", errors.Join(errs...))
		}
	}
}

// check type-checks the blocks of a page and returns the errors of those that
// have any. Results that statements leave unused are no errors: they are shown
// for what they are.
func check(t *testing.T, blocks []block, imports types.Importer) map[block][]error {
	t.Helper()
	found := map[block][]error{}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, b := range blocks {
		f, err := parser.ParseFile(fset, b.page, b.source(), parser.SkipObjectResolution)
		if err != nil {
			found[b] = append(found[b], err)
			continue
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: imports, Error: func(err error) {
		var e types.Error
		if !errors.As(err, &e) || strings.Contains(e.Msg, "declared and not used") || strings.Contains(e.Msg, "imported and not used") {
			return
		}
		line := fset.Position(e.Pos).Line
		i := slices.IndexFunc(blocks, func(b block) bool { return line < b.line+strings.Count(b.code, "\n")+1 })
		found[blocks[max(i, 0)]] = append(found[blocks[max(i, 0)]], err)
	}}
	_, _ = conf.Check("p", fset, files, nil) // found has the errors
	return found
}

// exports returns an importer for the packages of imported.
func exports(t *testing.T) types.Importer {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Export"}
	for _, path := range imported {
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	files := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err != nil {
			break
		}
		files[p.ImportPath] = p.Export
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(files[path])
	})
}

// TestFormat keeps the code in the pages gofmt-ed, but for the columns that
// trailing comments stand in.
func TestFormat(t *testing.T) {
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			got, err := format.Source([]byte(b.code))
			if err != nil {
				t.Errorf("%v: %v", b, err)
			} else if b.declares() && string(got) != b.code {
				t.Errorf("%v is not gofmt-ed; it would be:\n%s", b, got)
			}
		}
	}
}

// TestQuotes compares the functions that the cookbook shows with those that the
// tests of this folder run.
func TestQuotes(t *testing.T) {
	sources := functions(t)
	page := "cookbook.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	updated := string(text)
	quoted := 0
	for _, b := range blocksOf(t, page) {
		name := regexp.MustCompile(`(?m)^func (\w+)\(`).FindStringSubmatch(b.code)
		if name == nil {
			continue
		}
		quoted++
		want, ok := sources[name[1]]
		switch {
		case !ok:
			t.Errorf("%v: no test here has the function %s", b, name[1])
		case want != b.code && *update:
			updated = strings.Replace(updated, b.code, want, 1)
		case want != b.code:
			t.Errorf("%v differs from what is tested (-update quotes it again):\n%s", b, want)
		}
	}
	if quoted == 0 {
		t.Errorf("%s quotes nothing", page)
	}
	if *update {
		if err := os.WriteFile(page, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// functions returns the text of each function of the tests in this folder, with
// the comment above it.
func functions(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			from := fn.Pos()
			if fn.Doc != nil {
				from = fn.Doc.Pos()
			}
			found[fn.Name.Name] = string(text[fset.Position(from).Offset:fset.Position(fn.End()).Offset]) + "\n"
		}
	}
	return found
}

// TestLinks sees that the pages' links into the repository lead to a file, and
// to a heading if they name one.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if err := follow(page, m[1]); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

func follow(page, link string) error {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return nil
	}
	file, heading, _ := strings.Cut(link, "#")
	target := page
	if file != "" {
		target = filepath.Join(filepath.Dir(page), filepath.FromSlash(file))
	}
	if heading == "" {
		_, err := os.Stat(target)
		return err
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(anchor, " ", "-") == heading {
			return nil
		}
	}
	return fmt.Errorf("no heading for %s", link)
}

// TestPathFigures compares what the README says of the paths with their table.
func TestPathFigures(t *testing.T) {
	table, err := os.ReadFile("paths.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`(?m)^\| path \|(.*)\|$`).FindStringSubmatch(string(table))
	sums := regexp.MustCompile(`(?m)^\| \*\*gets through\*\* \|(.*)\|$`).FindStringSubmatch(string(table))
	if head == nil || sums == nil {
		t.Fatal("paths.md has no table")
	}
	text := strings.Join(strings.Fields(string(readme)), " ")
	counts := strings.Split(sums[1], "|")
	for i, client := range strings.Split(head[1], "|") {
		client, _, _ = strings.Cut(strings.TrimSpace(client), "<br>")
		count := strings.TrimSpace(counts[i])
		said := regexp.MustCompile(regexp.QuoteMeta(client)+`[^.:]*? on (\*\*\d+ of \d+\*\*)`).FindAllStringSubmatch(text, -1)
		for _, m := range said {
			if m[1] != count {
				t.Errorf("README.md says %q; paths.md has %s for %s", m[0], count, client)
			}
		}
		if client == "ftpnat" && len(said) == 0 {
			t.Error("README.md does not say how many paths ftpnat gets through")
		}
	}
}

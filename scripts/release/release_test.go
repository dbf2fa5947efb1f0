package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const (
	repository = "github.com/ftpnat/ftpnat"
	version    = "v0.1.0"
)

// A user is somebody with an empty folder, a module cache that has nothing of
// this project in it, and a proxy that has its release.
type user struct {
	t   *testing.T
	dir string // where the commands are run
	bin string // where go install puts programs
	env []string
}

// newUser returns a user for whom the release of this tree is there. All other
// modules come from this machine's module cache: the test needs no network once
// they are there.
func newUser(t *testing.T) *user {
	t.Helper()
	root := filepath.Join("..", "..")
	home := t.TempDir()
	proxy := filepath.Join(home, "proxy")
	var out bytes.Buffer
	if err := run([]string{"-C", root, "-version", version, "-o", proxy}, &out); err != nil {
		t.Fatal(err)
	}
	downloadAll(t, root)
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, dir: t.TempDir(), bin: filepath.Join(home, "bin")}
	u.env = append(os.Environ(),
		"GOPROXY="+fileURL(proxy)+","+fileURL(filepath.Join(strings.TrimSpace(string(cache)), "cache", "download"))+",off",
		"GOMODCACHE="+filepath.Join(home, "modules"),
		// TempDir can be removed, and what was built before is not built again.
		"GOFLAGS=-modcacherw -trimpath",
		"GOBIN="+u.bin, "GOSUMDB=off", "GOWORK=off", "GONOPROXY=", "GOPRIVATE=", "GOENV=off", "GOTOOLCHAIN=local")
	return u
}

// downloadAll sees that this machine's module cache has what the modules
// require. It works on copies of go.mod and go.sum, because the command adds to
// go.sum.
func downloadAll(t *testing.T, root string) {
	t.Helper()
	modules, err := findModules(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		copied := t.TempDir()
		for _, name := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(filepath.Join(m.dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, name), text, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("go", "mod", "download")
		cmd.Dir = m.dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-modfile="+filepath.Join(copied, "go.mod"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: go mod download: %v\n%s", m.path, err, out)
		}
	}
}

func fileURL(dir string) string {
	dir = filepath.ToSlash(dir)
	if !strings.HasPrefix(dir, "/") {
		dir = "/" + dir
	}
	return "file://" + dir
}

// do runs a command in the user's folder and returns what it printed.
func (u *user) do(name string, args ...string) string {
	u.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = u.dir, u.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// program returns the file of a program that was installed.
func (u *user) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(u.bin, name)
}

// in returns the same user at work on another test, in another empty folder.
func (u user) in(t *testing.T) *user {
	u.t, u.dir = t, t.TempDir()
	return &u
}

// TestUser does what a user does in an empty folder.
func TestUser(t *testing.T) {
	u := newUser(t)
	t.Run("install", u.install)
	t.Run("get", u.get)
}

// install installs the programs, as somebody does who has no module. Each is
// asked for its help, unless there is something better to ask for.
func (u *user) install(t *testing.T) {
	try := map[string][]string{"cmd/ftpnat": {"version"}, "examples/probe": {"-help"}}
	for _, m := range offered(t, "main") {
		args, ok := try[m.folder]
		if !ok && !strings.HasPrefix(m.folder, "adapters/") {
			continue // an example that is run in a clone
		}
		t.Run(m.folder, func(t *testing.T) {
			u := u.in(t)
			u.do("go", "install", m.path+"@"+version)
			if !ok {
				args = []string{"--help"}
			}
			out := u.do(u.program(filepath.Base(m.folder)), args...)
			if out == "" {
				t.Errorf("%s %v prints nothing", m.folder, args)
			}
			if m.folder == "cmd/ftpnat" && !strings.Contains(out, version) {
				t.Errorf("ftpnat version prints %q, and not %s", out, version)
			}
		})
	}
}

// offered returns the modules of a release whose package is a program (main), or
// one to import (library).
func offered(t *testing.T, kind string) (list []*goModule) {
	t.Helper()
	modules, err := findModules(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		cmd := exec.Command("go", "list", "-e", "-f", "{{.Name}}", ".")
		cmd.Dir = m.dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", m.path, err)
		}
		name := strings.TrimSpace(string(out))
		if name != "" && (name == "main") == (kind == "main") {
			list = append(list, m)
		}
	}
	return list
}

// programs are what the user writes who got a module. With one that is not here,
// the program imports it and no more.
var programs = map[string]string{
	repository: `package main

import (
	"context"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

func main() {
	srv := ftptest.NewServer(fstest.MapFS{"hello.txt": {Data: []byte("hello")}})
	defer srv.Close()
	fsys, err := ftpnat.Open(context.Background(), srv.URL)
	if err != nil {
		panic(err)
	}
	defer fsys.Close()
	data, err := fs.ReadFile(fsys, "hello.txt")
	fmt.Println(string(data), err)
}
`,
	repository + "/portmap": `package main

import (
	"fmt"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/portmap"
)

func main() {
	d := ftpnat.Dialer{Mapper: new(portmap.Mapper)}
	fmt.Println("hello", d.Mapper != nil)
}
`,
}

// get gets a module in a new one and builds a program with it.
func (u *user) get(t *testing.T) {
	for _, m := range offered(t, "library") {
		path := m.path
		program, ok := programs[path]
		if !ok {
			program = fmt.Sprintf("package main\n\nimport (\n\t\"fmt\"\n\n\t_ %q\n)\n\nfunc main() { fmt.Println(\"hello there\") }\n", path)
		}
		t.Run(strings.TrimPrefix(path, "github.com/ftpnat/"), func(t *testing.T) {
			u := u.in(t)
			u.do("go", "mod", "init", "example.com/user")
			if err := os.WriteFile(filepath.Join(u.dir, "main.go"), []byte(program), 0o644); err != nil {
				t.Fatal(err)
			}
			u.do("go", "get", path+"@latest")
			if out := u.do("go", "run", "."); !strings.HasPrefix(out, "hello ") {
				t.Errorf("the program prints %q", out)
			}
			u.do("go", "mod", "verify")
			if out := u.do("go", "list", "-m", path); out != path+" "+version+"\n" {
				t.Errorf("the program is built with:\n%s", out)
			}
		})
	}
}

// TestModules checks what is in a release: no replace directive, one version,
// and all that go.sum needs.
func TestModules(t *testing.T) {
	modules, err := findModules(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := prepare(modules, version); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range modules {
		names = append(names, m.folder)
		files := unpack(t, m)
		file, err := modfile.Parse("go.mod", []byte(files["go.mod"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(file.Replace) > 0 {
			t.Errorf("%s: go.mod has a replace directive", m.path)
		}
		for _, r := range file.Require {
			if !strings.HasPrefix(r.Mod.Path+"/", repository+"/") {
				continue
			}
			if r.Mod.Version != version {
				t.Errorf("%s requires %v", m.path, r.Mod)
			}
			for _, of := range []string{" ", "/go.mod "} {
				if want := r.Mod.Path + " " + version + of + "h1:"; !strings.Contains(files["go.sum"], want) {
					t.Errorf("%s: go.sum has no line %s", m.path, want)
				}
			}
		}
		if files["LICENSE"] == "" {
			t.Errorf("%s has no licence", m.path)
		}
		for name := range files {
			if regexp.MustCompile(`^(lab|scripts|portmap|cmd|adapters/[^/]+)/`).MatchString(name) && m.folder == "" {
				t.Errorf("the root module has %s, which is in another module", name)
			}
		}
	}
	for _, want := range []string{"", "portmap", "examples/probe", "examples/etl"} {
		if !slices.Contains(names, want) {
			t.Errorf("module %q is not released; %q are", want, names)
		}
	}
	for _, no := range unreleased {
		if slices.Contains(names, no) {
			t.Errorf("%s is released", no)
		}
	}
}

// unpack returns the files in the zip file of a module.
func unpack(t *testing.T, m *goModule) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(m.zip), int64(len(m.zip)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range r.File {
		name, ok := strings.CutPrefix(f.Name, m.path+"@"+version+"/")
		if !ok {
			t.Errorf("%s has the file %s", m.path, f.Name)
		}
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
		files[name] = string(text)
	}
	return files
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                         "-version \"\" is not of the form v1.2.3",
		"-version 0.1.0 -o x":      "is not of the form",
		"-version v0.1 -o x":       "is not of the form",
		"-version v0.1.0":          "nothing to do",
		"-version v0.1.0 -o x now": "is no flag",
	} {
		err := run(strings.Fields(args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("release %s: %v, want %s", args, err, want)
		}
	}
}

// TestCycle refuses modules that need each other.
func TestCycle(t *testing.T) {
	all := map[string]*goModule{}
	for path, needs := range map[string]string{"a": "b", "b": "a"} {
		file, err := modfile.Parse("go.mod", fmt.Appendf(nil, "module example.com/%s\nrequire example.com/%s v0.0.0\n", path, needs), nil)
		if err != nil {
			t.Fatal(err)
		}
		all["example.com/"+path] = &goModule{path: "example.com/" + path, file: file}
	}
	if _, err := inOrder(all); err == nil {
		t.Error("no error")
	}
}

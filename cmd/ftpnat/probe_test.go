package main

import (
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/ftptest"
)

// nothingWorks are faults with which there is no data connection.
func nothingWorks() []ftptest.Fault {
	return []ftptest.Fault{ftptest.Refuse("EPSV"), ftptest.Refuse("PASV"), ftptest.Refuse("PORT"), ftptest.Refuse("EPRT")}
}

func TestProbe(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Refuse("EPSV"))
	r := w.run("probe", srv.URL)
	for _, want := range []string{"server ", srv.Addr, "works ", "PASV", "✗ EPSV", "✓ PASV", "PASV works"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in %s", want, r.out)
		}
	}
	if r.code != 0 || r.err != "" {
		t.Errorf("got %+v", r)
	}
}

func TestProbeNothingWorks(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), nothingWorks()...)
	r := w.run("probe", srv.URL)
	if r.code != int(codeData) || r.err != "" || !strings.Contains(r.out, "The server does not allow this mode") || strings.Contains(r.out, "Dialer") {
		t.Errorf("got %+v", r)
	}
}

func TestProbeJSON(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Refuse("EPSV"))
	var got struct {
		Server, Mode string
		Works        []string
		Advice       []string
		Attempts     []struct{ Mode, Cause string }
	}
	if err := json.Unmarshal([]byte(w.ok("probe", "--json", srv.URL)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Server != srv.Addr || got.Mode != "PASV" || len(got.Works) != 3 || len(got.Attempts) < 4 || len(got.Advice) == 0 {
		t.Errorf("got %+v", got)
	}
}

// A page has all that there is to know, asks for nothing from elsewhere, and has
// no password in it, even if the server repeats that.
func TestProbeHTML(t *testing.T) {
	w := newWorld(t)
	w.env["FTPNAT_PASSWORD"] = secret
	srv := guarded(t, (*ftptest.Server).Start, ftptest.Refuse("EPSV"),
		ftptest.Reply("STAT", "211-Hello joe, "+secret+" <script>alert(1)</script>\n211 End"))
	w.ok("probe", "--html", "page.html", as("joe", srv.URL))
	data, err := os.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, want := range []string{"PASV works", `<svg id="path"`, `<svg id="dialogue"`, "PASS ****", "USER joe", "502 Command refused.", `<ul id="advice">`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, not := range []string{secret, "<script", "src=", "href=", "url(http", "@import", "Dialer"} {
		if strings.Contains(page, not) {
			t.Errorf("%q is in the page", not)
		}
	}
}

// There is a page too if there is no report.
func TestProbeHTMLFailed(t *testing.T) {
	w := newWorld(t)
	w.fails(codeConnect, "cannot connect", "probe", "--html", "page.html", closedPort(t))
	data, err := os.ReadFile("page.html")
	if err != nil || !strings.Contains(string(data), "There is no report") || !strings.Contains(string(data), "refused") {
		t.Errorf("got %.300s, %v", data, err)
	}
	w.fails(codeLocalWrite, "cannot write", "probe", "--html", "page.html/x", serve(t, nil).URL)
}

// browser finds headless Chromium, which CI has to have.
func browser(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("chromium is not installed, and CI needs it: apt-get install chromium")
	}
	t.Skip("NOT TESTED IN A BROWSER: chromium is not installed (apt-get install chromium)")
	return ""
}

// browse runs the browser on a page.
func browse(t *testing.T, page string, args ...string) string {
	t.Helper()
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		"--virtual-time-budget=2000", "--window-size=1100,1400"}, append(args, "file://"+page)...)
	cmd := exec.CommandContext(t.Context(), browser(t), args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return string(out)
}

// A browser shows the page: both drawings, a row for each line of the dialogue,
// and not a blank picture.
func TestProbeInBrowser(t *testing.T) {
	browser(t)
	w := newWorld(t)
	w.env["FTPNAT_PASSWORD"] = secret
	srv := guarded(t, (*ftptest.Server).Start, ftptest.ResetAt("EPSV"))
	w.ok("probe", "--html", "page.html", as("joe", srv.URL))
	page := filepath.Join(w.dir, "page.html")

	dom := browse(t, page, "--dump-dom")
	for what, least := range map[string]int{`<line class="command"`: 8, `<line class="reply"`: 8, `<rect class="lost"`: 1, `<rect class="ok"`: 1, `<rect class="bad"`: 1, `<rect class="end"`: 4} {
		if n := strings.Count(dom, what); n < least {
			t.Errorf("%d times %s, want %d", n, what, least)
		}
	}
	if !regexp.MustCompile(`<title>FTP to [^<]* works</title>`).MatchString(dom) || strings.Contains(dom, secret) {
		t.Errorf("got %.500s", dom)
	}

	picture := filepath.Join(w.dir, "page.png")
	browse(t, page, "--screenshot="+picture)
	if n := colours(t, picture); n < 20 {
		t.Errorf("the picture has %d colours", n)
	}
}

// colours counts those of a picture.
func colours(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[[3]uint32]bool)
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, _ := img.At(x, y).RGBA()
			seen[[3]uint32{red, green, blue}] = true
		}
	}
	return len(seen)
}

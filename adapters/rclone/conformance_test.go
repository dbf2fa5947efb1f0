package rclone

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/ftptest"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fstest/fstests"
)

const secret = "hunter2"

// TestMain runs the tests where rclone's suite finds the folder that it looks for, of
// servers to start; and without a configuration of the user.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rclone-test-*")
	if err != nil {
		panic(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "fstest/testserver/init.d"), 0o755), os.Chdir(dir)); err != nil {
		panic(err)
	}
	os.Setenv("RCLONE_CONFIG", filepath.Join(dir, "rclone.conf"))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// suiteEnv has the settings of TestSuite.
const suiteEnv = "RCLONE_FTPNAT_SUITE"

// TestSuite is rclone's suite. It is run by conform.
func TestSuite(t *testing.T) {
	settings := os.Getenv(suiteEnv)
	if settings == "" {
		return
	}
	opt := &fstests.Opt{RemoteName: "TestFTPNAT:", NilObject: (*Object)(nil)}
	for setting := range strings.FieldsSeq(settings) {
		key, value, _ := strings.Cut(setting, "=")
		opt.ExtraConfig = append(opt.ExtraConfig, fstests.ExtraConfigItem{Name: "TestFTPNAT", Key: key, Value: value})
	}
	fstests.Run(t, opt)
}

// defaultEncoding is that of the backend.
const defaultEncoding = "Slash,Del,Ctl,RightSpace,Dot"

// mostSkipped is how many tests of the suite rclone's own ftp backend skips.
const mostSkipped = 35

// conform runs rclone's suite on a server, in another process, whose output tells
// what was skipped and why.
func conform(t *testing.T, server, addr, encoding string, concurrency int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSuite$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=type=ftpnat host=%s port=%s user=joe pass=%s concurrency=%d encoding=%s",
		suiteEnv, host, port, obscure.MustObscure(secret), concurrency, encoding))
	out, err := cmd.CombinedOutput()
	passed, skipped := results(out)
	fmt.Printf("rclone's suite on %s, concurrency %d: %d passed, %d skipped\n", server, concurrency, passed, len(skipped))
	if server == "ftptest" && concurrency == 1 {
		for _, s := range skipped {
			fmt.Println("  skipped", s)
		}
	}
	switch {
	case err != nil || bytes.Contains(out, []byte("--- FAIL")):
		t.Errorf("%v\n%s", err, out)
	case passed < 100 || len(skipped) >= mostSkipped:
		t.Errorf("%d passed, %d skipped; want 100 and more, and fewer than %d:\n%s", passed, len(skipped), mostSkipped, strings.Join(skipped, "\n"))
	}
}

var (
	verdictLine = regexp.MustCompile(`(?m)^ *--- (PASS|SKIP): TestSuite/(\S+)`)
	reasonLine  = regexp.MustCompile(`(?m)^=== (?:RUN|NAME) +TestSuite/(\S+)\n(?: +fstests\.go:\d+: (.*)\n)+`)
)

// results returns how many tests have passed, and those that were skipped with their
// reasons.
func results(out []byte) (passed int, skipped []string) {
	reasons := make(map[string]string)
	for _, m := range reasonLine.FindAllSubmatch(out, -1) {
		reasons[string(m[1])] = string(m[2])
	}
	for _, m := range verdictLine.FindAllSubmatch(out, -1) {
		if name := string(m[2]); string(m[1]) == "SKIP" {
			skipped = append(skipped, name+": "+reasons[name])
			continue
		}
		passed++
	}
	return passed, skipped
}

func TestEmbedded(t *testing.T) {
	for _, concurrency := range []int{4, 1} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			srv := ftptest.NewUnstartedServer(nil)
			srv.Users = map[string]string{"joe": secret}
			srv.Start()
			defer srv.Close()
			conform(t, "ftptest", srv.Addr, defaultEncoding, concurrency)
		})
	}
}

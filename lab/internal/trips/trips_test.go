//go:build linux

package trips

import (
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/client"
)

func TestTreeList(t *testing.T) {
	names := treeList(false)
	dirs := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s != "." && strings.Contains(s, "/") })
	if len(names) != 1051 || len(dirs) != 51 {
		t.Errorf("%d entries, %d of them directories; want 1051 and 51", len(names), len(dirs))
	}
	if !slices.IsSorted(names) {
		t.Error("they are not in the order of a walk")
	}
}

func TestCheckTree(t *testing.T) {
	for _, info := range []bool{false, true} {
		whole := treeList(info)
		slices.Reverse(whole)
		if err := checkTree(whole, info); err != nil {
			t.Errorf("all of them: %v", err)
		}
		lacking := slices.DeleteFunc(whole, func(s string) bool { return strings.HasPrefix(s, "d07/.hidden") })
		if err := checkTree(lacking, info); err == nil || !strings.Contains(err.Error(), "d07/.hidden") {
			t.Errorf("one is missing: %v", err)
		}
		if err := checkTree(append(lacking, "d07/other"), info); err == nil {
			t.Error("another in its place is taken")
		}
	}
}

func TestLftpLine(t *testing.T) {
	for line, want := range map[string]string{"tree/": ".", "tree/d00/": "d00", "tree/d00/f01": "d00/f01", "tree/d00/.hidden": "d00/.hidden"} {
		if got := lftpLine(line); got != want {
			t.Errorf("lftpLine(%q) = %q, want %q", line, got, want)
		}
	}
}

// TestRows sees that rows are complete: each has files or the tree, and those
// before the clock runs are not among the others.
func TestRows(t *testing.T) {
	for _, row := range Rows() {
		files, warm := row.names()
		if len(files) != row.Files || len(files) == 0 && !row.walks() {
			t.Errorf("%s: %d files, want %d", row.Name, len(files), row.Files)
		}
		if row.PerFile != (len(warm) > 0) || len(warm) > 0 && slices.Contains(files, warm[0]) {
			t.Errorf("%s: %q come before the clock runs, then %q", row.Name, warm, files)
		}
		if row.Action != client.Write && len(files)+len(warm) > smallFiles {
			t.Errorf("%s reads more files than there are", row.Name)
		}
		for kind := range row.Limits {
			if !row.On(kind) {
				t.Errorf("%s has a limit for %s and is not measured there", row.Name, kind)
			}
		}
	}
}

package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInsert(t *testing.T) {
	const begin, end = "<!-- table:begin -->\n", "<!-- table:end -->\n"
	name := filepath.Join(t.TempDir(), "README.md")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a\n" + begin + "old\n" + end + "z\n")
	for _, text := range []string{"new\n", "newer\n", ""} {
		if err := Insert(name, "table", []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if want := "a\n" + begin + text + end + "z\n"; err != nil || string(got) != want {
			t.Errorf("the file is %q, %v, want %q", got, err, want)
		}
	}
	for _, text := range []string{"", "a\n", begin, end + begin} {
		write(text)
		if err := Insert(name, "table", []byte("new\n")); err == nil || !strings.Contains(err.Error(), "table:begin") {
			t.Errorf("Insert into %q: %v", text, err)
		}
	}
}

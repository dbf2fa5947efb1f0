// Package page puts what the laboratory's commands have found into the files
// that people read.
package page

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// Insert puts text between the lines of a file that mark where the command of
// that name has its part: <!-- name:begin --> and <!-- name:end -->.
func Insert(file, name string, text []byte) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	updated, err := between(old, name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, updated, 0o644)
}

func between(old []byte, name string, text []byte) ([]byte, error) {
	begin, end := "<!-- "+name+":begin -->", "<!-- "+name+":end -->"
	before, rest, begun := bytes.Cut(old, []byte(begin+"\n"))
	_, after, ended := bytes.Cut(rest, []byte(end+"\n"))
	if !begun || !ended {
		return nil, fmt.Errorf("no lines %s and %s", begin, end)
	}
	return bytes.Join([][]byte{before, []byte(begin + "\n"), text, []byte(end + "\n"), after}, nil), nil
}

// Write writes a file once its whole content is there.
func Write(name string, print func(io.Writer) error) error {
	var b bytes.Buffer
	if err := print(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// System names the operating system and the kernel, whose network this is.
func System() string {
	name := "Linux"
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				name = strings.Trim(v, `"'`)
			}
		}
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return name
	}
	parts := bytes.SplitN(release, []byte("."), 3)
	return name + ", Linux " + string(bytes.Join(parts[:min(2, len(parts))], []byte(".")))
}

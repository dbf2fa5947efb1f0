//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/client"
)

// system names the operating system and the kernel, whose NAT this is.
func system() string {
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

// settings names the fields of a Dialer that are set.
func settings(s client.Settings) string {
	var set []string
	if len(s.Modes) > 0 {
		set = append(set, "Modes "+strings.Join(s.Modes, ", "))
	}
	if s.PublicAddr.IsValid() {
		set = append(set, "PublicAddr "+s.PublicAddr.String())
	}
	if s.ListenPorts != [2]uint16{} {
		set = append(set, fmt.Sprintf("ListenPorts %d to %d", s.ListenPorts[0], s.ListenPorts[1]))
	}
	if s.AttemptTimeout > 0 {
		set = append(set, "AttemptTimeout "+s.AttemptTimeout.String())
	}
	return strings.Join(set, "; ")
}

//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/client"
)

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

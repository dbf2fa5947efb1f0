package control

import (
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func parseFeatures(r proto.Reply) map[string]string {
	features := make(map[string]string)
	if len(r.Lines) < 3 {
		return features
	}
	for _, l := range r.Lines[1 : len(r.Lines)-1] {
		verb, arg, _ := strings.Cut(strings.TrimSpace(l), " ")
		if verb != "" {
			features[strings.ToUpper(verb)] = arg
		}
	}
	return features
}

// ParseDir returns the directory that a 257 reply names: RFC 959, appendix II;
// empty if it names none.
func ParseDir(r proto.Reply) string {
	if r.Code != 257 {
		return ""
	}
	_, rest, ok := strings.Cut(r.Text(), `"`)
	if !ok {
		return ""
	}
	var dir strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '"' {
			if i+1 >= len(rest) || rest[i+1] != '"' {
				return dir.String()
			}
			i++
		}
		dir.WriteByte(rest[i])
	}
	return ""
}

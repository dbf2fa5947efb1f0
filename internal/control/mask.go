package control

import (
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
)

const stars = "****"

// mask replaces secrets in a reply: servers repeat what they did not understand.
func mask(r proto.Reply, secrets []string) proto.Reply {
	if len(secrets) == 0 {
		return r
	}
	for i, l := range r.Lines {
		r.Lines[i] = maskString(l, secrets)
	}
	return r
}

func maskString(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, stars)
	}
	return text
}

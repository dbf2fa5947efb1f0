package proxy

import (
	"errors"
	"net/url"
	"strings"
)

// Shown returns a URL as it may be shown. One without the two slashes, as in
// joe:secret@host, is taken apart in another way by net/url, which does not see
// the password in it.
func Shown(u *url.URL) string {
	if u.Opaque != "" {
		return u.Scheme + ":..."
	}
	return u.Redacted()
}

// Unreadable returns what is wrong with a URL that url.Parse does not take. Its
// error repeats the URL, password and all, and quotes the piece that it stumbles
// over, which may be the password too.
func Unreadable(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	what, _, _ := strings.Cut(err.Error(), `"`)
	return errors.New(strings.TrimSpace(what))
}

//go:build linux

package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// accountID is the user and group id of the account that the servers serve. It
// belongs to nobody on a Debian machine.
const accountID = 42420

// A password's hash should cost little: the laboratory logs in often and
// guards nothing.
const cheapSHA512 = "$6$rounds=1000$laboratory$"

// passwdLine returns the account's line of passwd(5), with the hash in place of
// the x if one is given.
func (o Options) passwdLine(s *Server, hash string) string {
	if hash == "" {
		hash = "x"
	}
	return fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", o.User, hash, accountID, accountID, s.Root)
}

// accountFiles writes passwd, group and shadow for a server that uses the
// system's accounts, and returns where these must be mounted.
func (o Options) accountFiles(ctx context.Context, s *Server) ([][2]string, error) {
	hash, err := crypt(ctx, o.Password)
	if err != nil {
		return nil, err
	}
	files := []struct{ name, content string }{
		{"passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n" + o.passwdLine(s, "")},
		{"group", fmt.Sprintf("root:x:0:\nnogroup:x:65534:\nlab:x:%d:\n", accountID)},
		{"shadow", fmt.Sprintf("root:*:19000:0:99999:7:::\n%s:%s:19000:0:99999:7:::\n", o.User, hash)},
	}
	var binds [][2]string
	for _, f := range files {
		if err := s.write(f.name, f.content); err != nil {
			return nil, err
		}
		binds = append(binds, [2]string{s.path(f.name), "/etc/" + f.name})
	}
	return binds, nil
}

// crypt hashes a password as crypt(3) does. Perl's is on every Debian machine.
func crypt(ctx context.Context, password string) (string, error) {
	cmd := exec.CommandContext(ctx, "perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, cheapSHA512)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("crypt: %w", err)
	}
	hash := string(out)
	if !strings.HasPrefix(hash, "$6$") {
		return "", fmt.Errorf("crypt: SHA-512 is not supported here: %q", hash)
	}
	return hash, nil
}

// Own gives a file under Root to the account.
func (s *Server) Own(name string) error {
	return os.Chown(filepath.Join(s.Root, name), accountID, accountID)
}

// Give gives a file to the account.
func Give(path string) error { return os.Lchown(path, accountID, accountID) }

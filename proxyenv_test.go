package ftpnat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
)

func TestProxyFromEnvironment(t *testing.T) {
	const socks, web = "socks5://joe:secret@gate.example.com:1080", "gate.example.com:3128"
	for _, tt := range []struct {
		env  string // NAME=value, separated by spaces
		addr string
		want string
	}{
		{"", "ftp.example.com", ""},
		{"HTTP_PROXY=" + web, "ftp.example.com", ""},
		{"FTP_PROXY=" + socks, "ftp.example.com", socks},
		{"FTP_PROXY=" + web, "ftp.example.com:21", "http://" + web},
		{"ftp_proxy=" + web + " ALL_PROXY=" + socks, "ftp.example.com", "http://" + web},
		{"all_proxy=" + socks, "ftp.example.com", socks},
		{"ALL_PROXY=" + socks, "localhost:21", ""},
		{"ALL_PROXY=" + socks, "127.0.0.1:2121", ""},
		{"ALL_PROXY=" + socks, "[::1]", ""},
		{"ALL_PROXY=" + socks, "::1", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=*", "ftp.example.com", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=other.example,.example.com", "ftp.example.com", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=.example.com", "example.com", socks},
		{"ALL_PROXY=" + socks + " NO_PROXY=example.com", "example.com", ""},
		{"ALL_PROXY=" + socks + " no_proxy=Example.COM", "FTP.example.com.:21", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=*.example.com", "ftp.example.com", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=example.com", "ftpexample.com", socks},
		{"ALL_PROXY=" + socks + " NO_PROXY=example.com:21", "example.com", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=example.com:2121", "example.com", socks},
		{"ALL_PROXY=" + socks + " NO_PROXY=192.0.2.0/24", "192.0.2.9:21", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=192.0.2.0/24", "192.0.3.9:21", socks},
		{"ALL_PROXY=" + socks + " NO_PROXY=192.0.2.9", "192.0.2.9", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=[2001:db8::1]:21", "[2001:db8::1]:21", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=2001:db8::1", "2001:db8::1", ""},
		{"ALL_PROXY=" + socks + " NO_PROXY=,.,192.0.2.0/99", "ftp.example.com", socks},
	} {
		t.Run(fmt.Sprintf("%s for %s", tt.env, tt.addr), func(t *testing.T) {
			setProxyEnv(t, tt.env)
			u, err := ftpnat.ProxyFromEnvironment(tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(u); got != tt.want && (u != nil || tt.want != "") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestProxyFromEnvironmentFails(t *testing.T) {
	for _, value := range []string{"socks5://joe:secret@", "http://joe:secret@gate:port", "http://joe:sec\x7fret@gate", "http://joe:secret/2@gate", "joe:secret#2@gate"} {
		setProxyEnv(t, "ALL_PROXY="+value)
		u, err := ftpnat.ProxyFromEnvironment("ftp.example.com")
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "ALL_PROXY") {
			t.Errorf("%s: %v, %v", value, u, err)
		}
	}
}

// setProxyEnv sets variables, and no others of those that matter.
func setProxyEnv(t *testing.T, env string) {
	t.Helper()
	for _, name := range []string{"FTP_PROXY", "ALL_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	for _, item := range strings.Fields(env) {
		name, value, _ := strings.Cut(item, "=")
		t.Setenv(name, value)
	}
}

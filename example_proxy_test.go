package ftpnat_test

import (
	"fmt"
	"os"

	"github.com/ftpnat/ftpnat"
)

func ExampleProxyFromEnvironment() {
	os.Setenv("FTP_PROXY", "socks5://gate.example.com:1080")
	os.Setenv("NO_PROXY", "intranet.example.com")

	for _, server := range []string{"ftp.example.com", "ftp.intranet.example.com"} {
		proxy, err := ftpnat.ProxyFromEnvironment(server)
		if err != nil {
			fmt.Println(err)
			return
		}
		d := ftpnat.Dialer{ProxyURL: proxy} // nil means none
		fmt.Println(server, "by way of", d.ProxyURL)
	}
	// Output:
	// ftp.example.com by way of socks5://gate.example.com:1080
	// ftp.intranet.example.com by way of <nil>
}

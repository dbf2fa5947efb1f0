package hostport

import (
	"net/netip"
	"testing"
)

var serverAddr = netip.MustParseAddr("198.51.100.21")

func TestFindAddr(t *testing.T) {
	const us = "203.0.113.7"
	tests := []struct{ name, text, want string }{
		{"vsftpd 3.0.3 STAT", "FTP server status:\n     Connected to 203.0.113.7\n     Logged in as ftp\n     TYPE: ASCII\n     No session bandwidth limit\n     Control connection is plain text\n     vsFTPd 3.0.3 - secure, fast, stable\nEnd of status", us},
		{"vsftpd 3.0.3 STAT, dual stack", "FTP server status:\n     Connected to ::ffff:203.0.113.7\n     vsFTPd 3.0.3 - secure, fast, stable", us},
		{"vsftpd over IPv6", "     Connected to 2001:db8::7\n     vsFTPd 3.0.5 - secure, fast, stable", "2001:db8::7"},
		{"ProFTPD 1.3.8 STAT", "Status of 'ProFTPD Server (x)'\n Connected from client.example (203.0.113.7)\n Logged in as ftp", us},
		{"a reverse name of digits", " Connected from 7.113.0.203.dyn.example (203.0.113.7)", us},
		{"a reverse name with dashes", " Connected from 198-51-100-9.example (203.0.113.7)", us},
		{"BSD ftpd STAT", "ftp.example FTP server status:\n     Version 6.00LS\n     Connected to client.example (203.0.113.7)\n     Logged in as ftp", us},
		{"pure-ftpd refusal", "I won't open a connection to 10.0.0.2 (only to 203.0.113.7)", us},
		{"the address asked for alone", "I won't open a connection to 10.0.0.2", ""},
		{"echo of PORT", "Illegal PORT 10.0.0.2", ""},
		{"greeting", "Welcome.\nYou are connecting from 203.0.113.7.", us},
		{"greeting with a port", "Connection from [203.0.113.7]:4021 on 198.51.100.21", us},
		{"greeting, other words", "FileCo FTP\nYour IP address: 203.0.113.7, be nice", us},
		{"no blank", "Client IP:203.0.113.7", us},
		{"both ends", "Connected to 198.51.100.21 from 203.0.113.7", us},
		{"letters that change length", "\u0130\xff\u0130 CONNECTED TO 203.0.113.7", us},
		{"a sole candidate", "Hello 203.0.113.7!", us},
		{"a sole candidate, twice", "Hello 203.0.113.7!\nBye 203.0.113.7", us},
		{"user at host", "guest@203.0.113.7 welcome", us},
		{"two candidates", "Hello 203.0.113.7, I am 192.0.2.1", ""},
		{"a wording beats others", "Hello 192.0.2.1\nConnected to 203.0.113.7", us},
		{"the better wording", "connection from 192.0.2.1\nconnected from 203.0.113.7", us},
		{"private in a site", "Connected to 10.1.2.3", "10.1.2.3"},
		{"server's own", "Connected to 198.51.100.21", ""},
		{"server's own behind a NAT", "You are now connected to 192.0.2.1\nServer IP: 192.0.2.1", ""},
		{"server's own, mapped", "Connected to ::ffff:198.51.100.21", ""},
		{"loopback", "Connected to 127.0.0.1", ""},
		{"mapped loopback", "Connected to ::ffff:127.0.0.1", ""},
		{"IPv6 loopback", "Connected to ::1", ""},
		{"unspecified", "Connected to 0.0.0.0 or ::", ""},
		{"multicast", "Connected to 224.0.0.1", ""},
		{"link-local", "Connected to fe80::1%eth0", ""},
		{"broadcast", "Connected to 255.255.255.255", ""},
		{"a version of three", "vsFTPd 3.0.3", ""},
		{"a version of four", "Xlight FTP Server 3.9.3.1 ready", ""},
		{"a version with v", "Serv-U FTP Server v15.1.6.25 ready", ""},
		{"a version in words", "Microsoft FTP Service (Version 5.0.1.2)", ""},
		{"a build", "Gene6 FTP Server (Build 2.3.4.5)", ""},
		{"a version of five", "Hello 2.3.4.5.6", ""},
		{"a version with a suffix", "Hello 2.3.4.5-beta 2.3.4.5b", ""},
		{"leading zeros", "Hello 010.001.002.003", ""},
		{"octet too big", "Connected to 203.0.113.700", ""},
		{"a time of day", "Local time is now 12:34:56. Server port: 21.", ""},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := FindAddr(tt.text, serverAddr)
			if ok != (tt.want != "") || ok && got.String() != tt.want {
				t.Errorf("FindAddr(%q) = %v, %v; want %q", tt.text, got, ok, tt.want)
			}
		})
	}
}

func FuzzFindAddr(f *testing.F) {
	f.Add("Connected to ::ffff:203.0.113.7")
	f.Add("I won't open a connection to 10.0.0.2 (only to 203.0.113.7)")
	f.Fuzz(func(t *testing.T, text string) {
		addr, ok := FindAddr(text, serverAddr)
		if ok != addr.IsValid() {
			t.Fatalf("FindAddr(%q) = %v, %v", text, addr, ok)
		}
		if ok && (addr.Is4In6() || addr == serverAddr || addr.IsLoopback() || addr.Zone() != "") {
			t.Errorf("FindAddr(%q) = %v", text, addr)
		}
	})
}

func BenchmarkFindAddr(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := FindAddr("FTP server status:\n     Connected to ::ffff:203.0.113.7\n     vsFTPd 3.0.3 - secure", serverAddr); !ok {
			b.Fatal("not found")
		}
	}
}

package memnet

import (
	"bytes"
	"strings"
)

// tracker reads a control connection as OpenBSD's ftp-proxy(8) does (client_parse
// and server_parse of its ftp-proxy.c): all lines of a segment, but it knows the
// last command alone and forgets that at the next line from either side. An
// address is announced where the line that follows its command is the reply to
// it, and neither where other commands were sent in between nor where other
// replies came.
type tracker struct {
	lines   [2]lineReader
	command string // PORT, EPRT, PASV or EPSV; empty for any other
	ad      advert // of a PORT or EPRT
}

// read returns what the firewall is to open ports for.
func (t *tracker) read(f *firewallFlow, from End, data []byte) (ads []advert) {
	t.lines[from].next(data, func(line []byte) bool {
		if from == Client {
			t.heard(f, line)
			return true
		}
		if ad, ok := t.reply(f, line); ok {
			ads = append(ads, ad)
		}
		t.command = ""
		return true
	})
	return ads
}

// heard takes in a command.
func (t *tracker) heard(f *firewallFlow, line []byte) {
	t.command = ""
	verb, _, _ := strings.Cut(string(line), " ")
	switch verb = strings.ToUpper(verb); verb {
	case "PASV", "EPSV":
		t.command = verb
	case "PORT", "EPRT":
		for _, p := range patterns[Client] {
			if ad, o := p.find(append(bytes.Clone(line), '\r'), f.addrs[Client]); o == found {
				t.command, t.ad = verb, ad
			}
		}
	}
}

// reply returns what a line of the server's announces.
func (t *tracker) reply(f *firewallFlow, line []byte) (advert, bool) {
	switch t.command {
	case "PORT", "EPRT":
		return t.ad, bytes.HasPrefix(line, []byte("200 "))
	case "PASV", "EPSV":
		for i, code := range []string{"PASV", "EPSV"} {
			if ad, o := patterns[Server][i].find(append(bytes.Clone(line), '\r'), f.addrs[Server]); o == found && t.command == code {
				return ad, true
			}
		}
	}
	return advert{}, false
}

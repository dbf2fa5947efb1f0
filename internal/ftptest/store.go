package ftptest

import (
	"io/fs"
	"path"
	"strings"
	"time"
)

// hiddenName is where HideStores keeps a file until it is whole.
func hiddenName(name string) string { return path.Join(path.Dir(name), ".in."+path.Base(name)+".") }

// storeName returns where an upload is written to, and what is to be done with
// that at its end; no name where somebody else is at it.
func storeName(s *session, arg string, offset int64) (string, func(whole bool)) {
	name := s.path(strings.NewReplacer(s.p.Files.StoreAs...).Replace(arg))
	if offset != 0 || !s.p.Files.HideStores && s.p.Files.WriteBehind == 0 {
		return name, nil
	}
	tree, hidden := s.srv.Tree, hiddenName(name)
	if info, err := tree.Stat(name); err == nil && info.IsDir() {
		return name, nil // is refused
	}
	if _, err := tree.Lstat(hidden); err == nil {
		return "", nil
	}
	return hidden, func(whole bool) {
		if !whole {
			_ = tree.Remove(hidden)
			return
		}
		if s.p.Files.WriteBehind == 0 {
			_ = tree.Rename(hidden, name)
			return
		}
		s.srv.start(func() {
			s.pause(s.srv.life.ctx, s.p.Files.WriteBehind)
			_ = tree.Rename(hidden, name)
		})
	}
}

// openStore opens a file for an upload. An offset beyond its end is what the
// personality makes of it.
func (s *Server) openStore(name string, offset int64) (*treeWriter, error) {
	tree := s.Tree
	if !s.Personality.Files.Holes && !s.Personality.Files.RestartClamp || offset <= 0 {
		return tree.openWrite(name, offset, s.Discard)
	}
	info, err := tree.Stat(name)
	size := info.Size()
	switch {
	case err != nil:
		size = 0
	case info.IsDir():
		return nil, fs.ErrExist
	case offset <= size:
		return tree.openWrite(name, offset, s.Discard)
	}
	if s.Personality.Files.RestartClamp {
		offset = -1
	} else if w, err := tree.openWrite(name, -1, s.Discard); err != nil {
		return nil, err
	} else if _, err := w.Write(make([]byte, offset-size)); err != nil {
		return nil, err
	}
	return tree.openWrite(name, offset, s.Discard)
}

// FritzBox returns the personality of a home router with a disk: LIST ignores its
// argument, and there is little else.
func FritzBox() Personality {
	p := VSFTPD()
	p.Name = "Fritz!Box"
	p.Replies["greeting"], p.Replies["list.end"] = "220 FRITZ!Box7590 FTP server ready.", "226 Transfer complete."
	p.Features = []string{"MDTM", "REST STREAM", "SIZE", "UTF8"}
	p.Listing.NoArg, p.Listing.EmptyMissing, p.Data.Linger = true, false, false
	return p
}

// NodeFtpd returns the personality of npm's ftpd: what one read brings is one command,
// SIZE tells something of directories, LIST shows no years, and a file that cannot be
// written is a 426.
func NodeFtpd() Personality {
	p := Plain()
	p.Name = "nodeftpd"
	p.Replies = map[string]string{"greeting": "220 FTP server (nodeftpd) ready", "STOR.failed": "426 Connection closed; transfer aborted", "MKD.failed": "550 Permission denied"}
	p.Features = []string{"SIZE", "UTF8", "MDTM"}
	p.Missing = []string{"REST", "MLSD", "MLST", "MFMT", "HELP", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"}
	p.Control.Ahead, p.Control.Early = FirstOnly, FirstOnly
	p.Files.SizeDirs, p.Listing.NoYears, p.Listing.ShowHidden = true, true, true
	return p
}

// Aioftp returns the personality of aioftp's server: no FEAT, and nothing but LIST
// tells of a file; -a is taken for a name.
func Aioftp() Personality {
	p := Plain()
	p.Name = "aioftp"
	p.Replies = map[string]string{"greeting": "220 welcome", "CWD.failed": "550 path does not exists", "STOR.failed": "550 path unreachable"}
	p.Features = nil
	p.Missing = []string{"FEAT", "OPTS", "SIZE", "MDTM", "MFMT", "MLST", "MLSD", "NOOP", "STAT", "HELP", "EPRT", "PORT", "SITE", "NLST", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"}
	p.Listing.ShowHidden = true
	return p
}

// DropBox returns the personality of a server that takes files and tells nothing
// of them.
func DropBox() Personality {
	p := VSFTPD()
	p.Name = "drop box"
	p.Denied = []string{"RETR", "LIST", "NLST", "SIZE", "MDTM", "DELE", "RNFR", "APPE", "STAT"}
	return p
}

// BlindBox returns the personality of a server whose directories may not be listed
// and whose files may be read.
func BlindBox() Personality {
	p := VSFTPD()
	p.Name = "no listings"
	p.Listing.Hide = []string{"*"}
	return p
}

// HiddenStores returns the personality of ProFTPD with HiddenStores on.
func HiddenStores() Personality {
	p := ProFTPD()
	p.Name, p.Files.HideStores = "HiddenStores", true
	return p
}

// WriteBehind returns the personality of a gateway to an object store: a file is
// under its name some time after it was taken.
func WriteBehind(d time.Duration) Personality {
	p := Plain()
	p.Name, p.Files.WriteBehind = "write-behind", d
	return p
}

// Synology returns a personality like that of a NAS: neither MLSD nor MLST, and names
// with a dot are listed.
func Synology() Personality {
	p := Plain()
	p.Name = "Synology"
	p.Features = []string{"AUTH TLS", "PBSZ", "PROT", "SIZE", "MDTM", "MFMT", "REST STREAM", "UTF8"}
	p.Missing = []string{"MLSD", "MLST", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"}
	p.Control.During, p.Data.Begin, p.Listing.ShowHidden, p.Control.Telnet = Queue, ReplyFirst, true, false
	return p.Saying("greeting", "220 NAS FTP server ready.", "USER", "331 Password required for {user}.", "PASS", "230 User {user} logged in.",
		"failed", "550 {arg}: {why}.", "CWD", "250 CWD command successful.", "MKD", "257 MKD command successful.", "begin", "150 Opening {type} mode data connection for '{arg}' ({size} bytes).")
}

// ZOS returns a personality like that of z/OS in its HFS: a banner before the 220,
// 125 and 250 for each transfer, and PWD in words.
func ZOS() Personality {
	p := Ancient()
	p.Name = "z/OS"
	p.Missing = []string{"EPRT", "MLSD", "MLST", "MFMT", "CCC", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET"}
	p.Features = []string{"SIZE", "MDTM", "REST STREAM", "UTF8"}
	p.Data.ForeignPORT, p.Data.LowPORT, p.Files.RestPersists, p.Listing.Glob = RefusePORT, false, false, false
	return p.Saying("greeting", "220-FTPD1 IBM FTP CS V2R4 at SYS1.EXAMPLE.COM, 03:30:00 on 2026-11-29.\n220 Connection will close if idle for more than 5 minutes.",
		"USER", "331 Send password please.", "PASS", "230 {user} is logged on.  Working directory is \"/\".", "SYST", "215 MVS is the operating system of this server. FTP Server is running on z/OS.",
		"PWD", `257 "{cwd}" is the HFS working directory.`, "CWD", "250 HFS directory {cwd} is the current working directory", "unknown", "500 unknown command {verb}",
		"MKD", `257 "{path}" created.`, "begin", "125 Sending data set {arg}", "begin.open", "125 Sending data set {arg}", "STOR.begin", "125 Storing data set {arg}",
		"list.begin", "125 List started OK", "list.begin.open", "125 List started OK", "list.end", "250 List completed successfully.",
		"end", "250 Transfer completed successfully.", "failed", "550 {arg} does not exist.", "DELE", "250 {arg} deleted.", "TYPE", "200 Representation type is Image")
}

package ftptest

import (
	"maps"
	"strings"
	"time"
)

// Begin is when a server gives the preliminary reply of a transfer.
type Begin uint8

const (
	// DataFirst gives it once the data connection is established.
	DataFirst Begin = iota
	// ReplyFirst gives it ahead of that.
	ReplyFirst
	// ReplyEither gives it ahead of that, with a 125 if the connection is there.
	ReplyEither
)

// ForeignPORT is what a server does with a PORT or EPRT that names another
// address than the client's.
type ForeignPORT uint8

const (
	// RefusePORT refuses the command.
	RefusePORT ForeignPORT = iota
	// Connect accepts it and connects to that address.
	Connect
	// Ignore accepts it and never connects.
	Ignore
	// Substitute replaces a private address by the client's if the client's is not
	// private, and refuses otherwise.
	Substitute
)

// Personality is the way one server answers. Every field may be changed in the
// copy that a constructor returns.
type Personality struct {
	Name     string            // Name must not be empty.
	Replies  map[string]string // Replies holds texts by key, in place of those of Plain; see replies.go.
	Features []string          // Features are the lines of FEAT; nil means FEAT is unknown.
	Missing  []string          // Missing lists the commands that are unknown.
	Denied   []string          // Denied lists the commands that are refused to everybody, whatever they name.
	NoPass   bool              // NoPass logs in by USER alone.

	Control ControlHabits
	Data    DataHabits
	TLS     TLSHabits
	Files   FileHabits
	Listing ListingHabits
}

// ControlHabits say how and when commands are read and answered.
type ControlHabits struct {
	Ahead      Ahead // Ahead concerns commands that came before the one before them was answered.
	Early      Ahead // Early concerns what came before the greeting: FirstOnly loses it, LastFirst is InOrder.
	During     During
	KeepShared bool                     // KeepShared keeps a command that came in one read with a transfer's until that has ended, whatever During says.
	LoseBehind bool                     // LoseBehind forgets the data connection that a command behind a transfer asked for, once that has been answered.
	ReadSize   int                      // ReadSize, where not 0, bounds a read of commands; two are joined where one that is full ends between CR and LF.
	Delays     map[string]time.Duration // Delays holds the time that the answer to a verb takes, to Any other verb, and the Greeting.
	Coalesce   time.Duration            // Coalesce holds replies back for so long, and sends what has come together in one segment.
	Telnet     bool                     // Telnet halves a doubled 0xFF anywhere in a command.
}

// DataHabits say how data connections are opened and ended.
type DataHabits struct {
	Begin       Begin
	ForeignPORT ForeignPORT
	LowPORT     bool // LowPORT allows PORT and EPRT with a port below 1024.
	EagerPORT   bool // EagerPORT connects at PORT, not at the transfer.
	PlainEPSV   bool // PlainEPSV refuses every argument of EPSV with 522.
	RequirePRET bool // RequirePRET refuses PASV and EPSV without a PRET ahead of them.
	CheckPeer   bool // CheckPeer turns away a passive connection from another address than the client's.
	AwaitClose  bool // AwaitClose holds the 226 of a download until the client has closed the data connection; Linger goes before it.
	Linger      bool // Linger holds the closing reply, also of an upload, until the client's host has acknowledged the end of the server's side, a round trip.
	DoubleClose bool // DoubleClose gives a second closing reply after the one to a broken transfer.
	KeepUpload  bool // KeepUpload leaves the data connection of an upload open on the server's side.
}

// TLSHabits concern connections under TLS.
type TLSHabits struct {
	ClearData   bool // ClearData has data in the clear until PROT P, also where TLS is implicit.
	LineRecords bool // LineRecords sends each line of a listing by itself, which is a record of TLS.
	Lazy        bool // Lazy leaves the handshake of a data connection to the first byte: an empty download has none.
	NoNotify    bool // NoNotify ends data connections without a closure alert.
	ReuseCloses bool // ReuseCloses ends the control connection after a TLS session that was not resumed.
}

// FileHabits concern files and their names.
type FileHabits struct {
	RestPersists bool          // RestPersists keeps the restart position for later transfers.
	RestAppends  bool          // RestAppends has a STOR right behind a REST write at the file's end.
	Holes        bool          // Holes has a restart beyond the end of a file leave zeros; else it is refused.
	RestartClamp bool          // RestartClamp has it go on at the end instead.
	RMDAll       bool          // RMDAll has RMD remove what is in a directory too.
	Strip        string        // Strip holds letters that are cut out of names.
	StoreAs      []string      // StoreAs holds pairs of a text and what is put in its place in the names of STOR and APPE.
	HideStores   bool          // HideStores puts a file under its name when all of it has come; what broke is removed, and one at a time is taken.
	WriteBehind  time.Duration // WriteBehind does so that long after the closing reply.
	SizeInASCII  bool          // SizeInASCII answers SIZE in ASCII mode too.
	SizeDirs     bool          // SizeDirs answers SIZE of a directory too.
	MDTMWrite    bool          // MDTMWrite takes a 14-digit first word of MDTM's argument for a time to set.
}

// ListingHabits say what listings show, and how.
type ListingHabits struct {
	Options      bool     // Options takes a leading dash in the argument of LIST, NLST and STAT for options of ls.
	Glob         bool     // Glob takes wildcards in that argument for a pattern.
	NoArg        bool     // NoArg ignores that argument but for options: the working directory is listed.
	ShowHidden   bool     // ShowHidden lists names with a leading dot without -a.
	DotDirs      bool     // DotDirs lists "." and ".." with -a, and in STAT.
	MachineDots  bool     // MachineDots lists "." and ".." in MLSD as cdir and pdir.
	EmptyMissing bool     // EmptyMissing lists a name that is not there as empty.
	Hide         []string // Hide holds patterns of names that listings do not show, though the files are there.
	Modes        bool     // Modes lists nothing of a directory that its owner may not read.
	DOSDate      string   // DOSDate is the layout of dates in a listing of DOS form; empty means Unix form.
	NoYears      bool     // NoYears lists the time of day where ls lists the year, in Unix form.
	LinkType     string   // LinkType is MLSD's type of a symbolic link; "{target}" stands for what it holds, empty follows it.
	StatIndent   string   // StatIndent is put ahead of each line of STAT's listing.
	OpenEnd      bool     // OpenEnd leaves out the end of a listing's last line.
}

// Saying returns a copy of p that answers with other texts, given as pairs of a
// key of Replies and a text.
func (p Personality) Saying(pairs ...string) Personality {
	p.Replies = maps.Clone(p.Replies)
	if p.Replies == nil {
		p.Replies = make(map[string]string)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		p.Replies[pairs[i]] = pairs[i+1]
	}
	return p
}

// text returns the reply for key, with its placeholders filled in from pairs.
func (p *Personality) text(key string, pairs ...string) string {
	text, ok := p.Replies[key]
	if !ok {
		text = plainReplies[key]
	}
	if !strings.Contains(text, "{") {
		return text
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (p *Personality) has(key string) bool {
	return p.Replies[key] != "" || plainReplies[key] != ""
}

// Plain returns the personality of a server that knows every command.
func Plain() Personality {
	return Personality{
		Name: "Plain",
		Features: []string{"AUTH TLS", "CLNT", "EPRT", "EPSV", "HOST", "LANG EN*", "MDTM", "MFMT", "MLST",
			"PASV", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8", "XCRC", "XMD5", "XSHA256"},
		Control: ControlHabits{During: Defer, Telnet: true},
		Data:    DataHabits{Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true},
		Listing: ListingHabits{Options: true, LinkType: "OS.unix=symlink"},
	}
}

// VSFTPD returns the personality of vsftpd 3.0.3.
func VSFTPD() Personality {
	return Personality{
		Name:     "vsftpd",
		Replies:  maps.Clone(vsftpdReplies),
		Features: []string{"AUTH TLS", "EPRT", "EPSV", "MDTM", "PASV", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"MLSD", "MLST", "MFMT", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"},
		Control:  ControlHabits{During: Queue},
		Data:     DataHabits{Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true, Linger: true},
		TLS:      TLSHabits{ReuseCloses: true},
		Files:    FileHabits{MDTMWrite: true},
		Listing:  ListingHabits{Options: true, Glob: true, DotDirs: true, EmptyMissing: true},
	}
}

// ProFTPD returns the personality of ProFTPD 1.3.8.
func ProFTPD() Personality {
	return Personality{
		Name:     "ProFTPD",
		Replies:  maps.Clone(proftpdReplies),
		Features: []string{"AUTH TLS", "CCC", "CLNT", "EPRT", "EPSV", "HOST", "LANG en-US*", "MDTM", "MFMT", "MLST", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"PRET", "XCRC", "XMD5", "XSHA256", "HASH"},
		Control:  ControlHabits{During: Defer, Telnet: true},
		Data:     DataHabits{Begin: DataFirst, ForeignPORT: Substitute, CheckPeer: true, AwaitClose: true},
		Listing:  ListingHabits{Options: true, Glob: true, DotDirs: true, MachineDots: true, LinkType: "OS.unix=symlink", StatIndent: " "},
	}
}

// PureFTPd returns the personality of Pure-FTPd 1.0.50.
func PureFTPd() Personality {
	return Personality{
		Name:     "Pure-FTPd",
		Replies:  maps.Clone(pureReplies),
		Features: []string{"AUTH TLS", "EPRT", "IDLE", "MDTM", "SIZE", "MFMT", "REST STREAM", "MLST", "MLSD", "PRET", "UTF8", "PBSZ", "PROT", "TVFS", "ESTA", "PASV", "EPSV", "ESTP"},
		Missing:  []string{"CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256"},
		Control:  ControlHabits{During: Refuse, KeepShared: true, Telnet: true},
		Data:     DataHabits{Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true},
		Listing:  ListingHabits{Options: true, Glob: true, DotDirs: true, EmptyMissing: true, MachineDots: true, LinkType: "OS.unix=slink:{target}"},
	}
}

// Pyftpdlib returns the personality of pyftpdlib 1.5.7.
func Pyftpdlib() Personality {
	return Personality{
		Name:     "pyftpdlib",
		Replies:  maps.Clone(pyftpdlibReplies),
		Features: []string{"AUTH TLS", "EPRT", "EPSV", "MDTM", "MFMT", "MLST", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC", "ACCT"},
		Control:  ControlHabits{During: Obey},
		Data:     DataHabits{Begin: ReplyEither, ForeignPORT: RefusePORT, EagerPORT: true, CheckPeer: true},
		Listing:  ListingHabits{ShowHidden: true},
	}
}

// IIS returns a personality like that of Microsoft's FTP service 7.5.
func IIS() Personality {
	return Personality{
		Name:     "IIS",
		Replies:  maps.Clone(iisReplies),
		Features: []string{"LANG EN*", "UTF8", "AUTH TLS;TLS-C;SSL;TLS-P;", "PBSZ", "PROT C;P;", "CCC", "HOST", "SIZE", "MDTM", "REST STREAM"},
		Missing:  []string{"MLSD", "MLST", "MFMT", "CLNT", "HASH", "XCRC", "XMD5", "XSHA256", "PRET"},
		Control:  ControlHabits{During: Defer},
		Data:     DataHabits{Begin: ReplyEither, ForeignPORT: RefusePORT, CheckPeer: true},
		Files:    FileHabits{SizeInASCII: true},
		Listing:  ListingHabits{Options: true, Glob: true, ShowHidden: true, DOSDate: "01-02-06  03:04PM"},
	}
}

// FileZilla returns a personality like that of FileZilla Server 0.9.60.
func FileZilla() Personality {
	return Personality{
		Name:     "FileZilla",
		Replies:  maps.Clone(filezillaReplies),
		Features: []string{"MDTM", "REST STREAM", "SIZE", "MLST", "MLSD", "AUTH SSL", "AUTH TLS", "PROT", "PBSZ", "UTF8", "CLNT", "MFMT", "EPSV", "EPRT"},
		Missing:  []string{"HOST", "LANG", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"},
		Control:  ControlHabits{During: Defer},
		Data:     DataHabits{Begin: ReplyFirst, ForeignPORT: RefusePORT, CheckPeer: true, PlainEPSV: true},
		Files:    FileHabits{SizeInASCII: true},
		Listing:  ListingHabits{Options: true, Glob: true, ShowHidden: true},
	}
}

// Ancient returns the personality of a server of RFC 959 alone: no FEAT, no
// extended addresses, no machine listings, no sizes.
func Ancient() Personality {
	return Personality{
		Name: "Ancient",
		Missing: []string{"FEAT", "OPTS", "EPSV", "EPRT", "MLSD", "MLST", "MDTM", "MFMT", "SIZE", "AUTH", "PBSZ", "PROT",
			"CCC", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "REST"},
		Control: ControlHabits{During: Queue},
		Data:    DataHabits{Begin: ReplyFirst, ForeignPORT: Connect, LowPORT: true},
		Files:   FileHabits{RestPersists: true},
		Listing: ListingHabits{Options: true, Glob: true, DotDirs: true},
	}
}

// Personalities returns one of each.
func Personalities() []Personality {
	return []Personality{Plain(), VSFTPD(), ProFTPD(), PureFTPd(), Pyftpdlib(), IIS(), FileZilla(), Ancient()}
}

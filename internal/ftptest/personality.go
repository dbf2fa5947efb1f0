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

	Ahead    Ahead                    // Ahead concerns commands that came before the one before them was answered.
	Early    Ahead                    // Early concerns what came before the greeting: FirstOnly loses it, LastFirst is InOrder.
	Delays   map[string]time.Duration // Delays holds the time that the answer to a verb takes, to Any other verb, and the Greeting.
	Coalesce time.Duration            // Coalesce holds replies back for so long, and sends what has come together in one segment.

	During      During
	ReadSize    int  // ReadSize, where not 0, bounds a read of commands; two are joined where one that is full ends between CR and LF.
	LoseBehind  bool // LoseBehind forgets the data connection that a command behind a transfer asked for, once that has been answered.
	KeepShared  bool // KeepShared keeps a command that came in one read with a transfer's until that has ended, whatever During says.
	Begin       Begin
	ForeignPORT ForeignPORT
	LowPORT     bool // LowPORT allows PORT and EPRT with a port below 1024.
	EagerPORT   bool // EagerPORT connects at PORT, not at the transfer.
	CheckPeer   bool // CheckPeer turns away a passive connection from another address than the client's.
	AwaitClose  bool // AwaitClose holds the 226 of a download until the client has closed the data connection; Linger goes before it.
	Linger      bool // Linger holds the closing reply, also of an upload, until the client's host has acknowledged the end of the server's side, a round trip.
	DoubleClose bool // DoubleClose gives a second closing reply after the one to a broken transfer.
	ReuseCloses bool // ReuseCloses ends the control connection after a TLS session that was not resumed.
	PlainEPSV   bool // PlainEPSV refuses every argument of EPSV with 522.
	RequirePRET bool // RequirePRET refuses PASV and EPSV without a PRET ahead of them.
	Telnet      bool // Telnet halves a doubled 0xFF anywhere in a command.

	ClearData   bool // ClearData has data in the clear until PROT P, also where TLS is implicit.
	LineRecords bool // LineRecords sends each line of a listing by itself, which is a record of TLS.
	LazyTLS     bool // LazyTLS leaves the handshake of a data connection to the first byte: an empty download has none.
	NoNotify    bool // NoNotify ends data connections under TLS without a closure alert.
	KeepUpload  bool // KeepUpload leaves the data connection of an upload open on the server's side.

	RestPersists bool   // RestPersists keeps the restart position for later transfers.
	RestAppends  bool   // RestAppends has a STOR right behind a REST write at the file's end.
	RMDAll       bool   // RMDAll has RMD remove what is in a directory too.
	Strip        string // Strip holds letters that are cut out of names.
	SizeInASCII  bool   // SizeInASCII answers SIZE in ASCII mode too.
	SizeDirs     bool   // SizeDirs answers SIZE of a directory too.
	MDTMWrite    bool   // MDTMWrite takes a 14-digit first word of MDTM's argument for a time to set.

	ListOptions  bool   // ListOptions takes a leading dash in the argument of LIST, NLST and STAT for options of ls.
	Glob         bool   // Glob takes wildcards in that argument for a pattern.
	ShowHidden   bool   // ShowHidden lists names with a leading dot without -a.
	DotDirs      bool   // DotDirs lists "." and ".." with -a, and in STAT.
	EmptyMissing bool   // EmptyMissing lists a name that is not there as empty.
	DOSDate      string // DOSDate is the layout of dates in a listing of DOS form; empty means Unix form.
	MachineDots  bool   // MachineDots lists "." and ".." in MLSD as cdir and pdir.
	LinkType     string // LinkType is MLSD's type of a symbolic link; "{target}" stands for what it holds, empty follows it.
	StatIndent   string // StatIndent is put ahead of each line of STAT's listing.

	NoPass       bool          // NoPass logs in by USER alone.
	Denied       []string      // Denied lists the commands that are refused to everybody, whatever they name.
	Hide         []string      // Hide holds patterns of names that listings do not show, though the files are there.
	NoListArg    bool          // NoListArg ignores the argument of LIST, NLST and STAT but for options: the working directory is listed.
	Modes        bool          // Modes lists nothing of a directory that its owner may not read.
	StoreAs      []string      // StoreAs holds pairs of a text and what is put in its place in the names of STOR and APPE.
	HideStores   bool          // HideStores puts a file under its name when all of it has come; what broke is removed, and one at a time is taken.
	WriteBehind  time.Duration // WriteBehind does so that long after the closing reply.
	Holes        bool          // Holes has a restart beyond the end of a file leave zeros; else it is refused.
	RestartClamp bool          // RestartClamp has it go on at the end instead.
	OpenEnd      bool          // OpenEnd leaves out the end of a listing's last line.
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

// say sends the personality's reply for key. Pairs are placeholders and values
// beyond those of every reply.
func (s *session) say(key string, pairs ...string) {
	s.reply(s.p.text(key, append(pairs, s.vars()...)...))
}

// vars returns the placeholders of every reply.
func (s *session) vars() []string {
	return []string{
		"{user}", s.user,
		"{peer}", s.remote.Addr().String(),
		"{local}", s.local.Addr().String(),
		"{cwd}", strings.ReplaceAll(s.cwd, `"`, `""`),
		"{type}", s.typeName(),
		"{t}", typeLetter(s.ascii),
		"{Type}", s.titleType(),
	}
}

// sayFor sends the reply for verb and outcome, or the one for the outcome alone
// where the verb has none of its own.
func (s *session) sayFor(verb, outcome string, pairs ...string) {
	key := verb + "." + outcome
	if !s.p.has(key) {
		key = outcome
	}
	s.say(key, pairs...)
}

func (p *Personality) has(key string) bool {
	return p.Replies[key] != "" || plainReplies[key] != ""
}

func typeLetter(ascii bool) string {
	if ascii {
		return "A"
	}
	return "I"
}

func (s *session) titleType() string {
	if s.ascii {
		return "ASCII"
	}
	return "Binary"
}

func (s *session) typeName() string {
	if s.ascii {
		return "ASCII"
	}
	return "BINARY"
}

// Plain returns the personality of a server that knows every command.
func Plain() Personality {
	return Personality{
		Name: "Plain",
		Features: []string{"AUTH TLS", "CLNT", "EPRT", "EPSV", "HOST", "LANG EN*", "MDTM", "MFMT", "MLST",
			"PASV", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8", "XCRC", "XMD5", "XSHA256"},
		During: Defer, Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true, Telnet: true,
		ListOptions: true, LinkType: "OS.unix=symlink",
	}
}

// VSFTPD returns the personality of vsftpd 3.0.3.
func VSFTPD() Personality {
	return Personality{
		Name:     "vsftpd",
		Replies:  maps.Clone(vsftpdReplies),
		Features: []string{"AUTH TLS", "EPRT", "EPSV", "MDTM", "PASV", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"MLSD", "MLST", "MFMT", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"},
		During:   Queue, Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true, Linger: true, ReuseCloses: true,
		MDTMWrite: true, SizeInASCII: false, ListOptions: true, Glob: true, DotDirs: true, EmptyMissing: true,
	}
}

// ProFTPD returns the personality of ProFTPD 1.3.8.
func ProFTPD() Personality {
	return Personality{
		Name:     "ProFTPD",
		Replies:  maps.Clone(proftpdReplies),
		Features: []string{"AUTH TLS", "CCC", "CLNT", "EPRT", "EPSV", "HOST", "LANG en-US*", "MDTM", "MFMT", "MLST", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"PRET", "XCRC", "XMD5", "XSHA256", "HASH"},
		During:   Defer, Begin: DataFirst, ForeignPORT: Substitute, CheckPeer: true, AwaitClose: true, Telnet: true,
		ListOptions: true, Glob: true, DotDirs: true, MachineDots: true,
		LinkType: "OS.unix=symlink", StatIndent: " ",
	}
}

// PureFTPd returns the personality of Pure-FTPd 1.0.50.
func PureFTPd() Personality {
	return Personality{
		Name:     "Pure-FTPd",
		Replies:  maps.Clone(pureReplies),
		Features: []string{"AUTH TLS", "EPRT", "IDLE", "MDTM", "SIZE", "MFMT", "REST STREAM", "MLST", "MLSD", "PRET", "UTF8", "PBSZ", "PROT", "TVFS", "ESTA", "PASV", "EPSV", "ESTP"},
		Missing:  []string{"CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256"},
		During:   Refuse, KeepShared: true, Begin: DataFirst, ForeignPORT: RefusePORT, CheckPeer: true, Telnet: true,
		ListOptions: true, Glob: true, DotDirs: true, EmptyMissing: true, MachineDots: true,
		LinkType: "OS.unix=slink:{target}",
	}
}

// Pyftpdlib returns the personality of pyftpdlib 1.5.7.
func Pyftpdlib() Personality {
	return Personality{
		Name:     "pyftpdlib",
		Replies:  maps.Clone(pyftpdlibReplies),
		Features: []string{"AUTH TLS", "EPRT", "EPSV", "MDTM", "MFMT", "MLST", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"},
		Missing:  []string{"CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC", "ACCT"},
		During:   Obey, Begin: ReplyEither, ForeignPORT: RefusePORT, EagerPORT: true, CheckPeer: true,
		ShowHidden: true,
	}
}

// IIS returns a personality like that of Microsoft's FTP service 7.5.
func IIS() Personality {
	return Personality{
		Name:     "IIS",
		Replies:  maps.Clone(iisReplies),
		Features: []string{"LANG EN*", "UTF8", "AUTH TLS;TLS-C;SSL;TLS-P;", "PBSZ", "PROT C;P;", "CCC", "HOST", "SIZE", "MDTM", "REST STREAM"},
		Missing:  []string{"MLSD", "MLST", "MFMT", "CLNT", "HASH", "XCRC", "XMD5", "XSHA256", "PRET"},
		During:   Defer, Begin: ReplyEither, ForeignPORT: RefusePORT, CheckPeer: true,
		SizeInASCII: true, ListOptions: true, Glob: true, ShowHidden: true, DOSDate: "01-02-06  03:04PM",
	}
}

// FileZilla returns a personality like that of FileZilla Server 0.9.60.
func FileZilla() Personality {
	return Personality{
		Name:     "FileZilla",
		Replies:  maps.Clone(filezillaReplies),
		Features: []string{"MDTM", "REST STREAM", "SIZE", "MLST", "MLSD", "AUTH SSL", "AUTH TLS", "PROT", "PBSZ", "UTF8", "CLNT", "MFMT", "EPSV", "EPRT"},
		Missing:  []string{"HOST", "LANG", "XCRC", "XMD5", "XSHA256", "PRET", "CCC"},
		During:   Defer, Begin: ReplyFirst, ForeignPORT: RefusePORT, CheckPeer: true, PlainEPSV: true,
		SizeInASCII: true, ListOptions: true, Glob: true, ShowHidden: true,
	}
}

// Ancient returns the personality of a server of RFC 959 alone: no FEAT, no
// extended addresses, no machine listings, no sizes.
func Ancient() Personality {
	return Personality{
		Name: "Ancient",
		Missing: []string{"FEAT", "OPTS", "EPSV", "EPRT", "MLSD", "MLST", "MDTM", "MFMT", "SIZE", "AUTH", "PBSZ", "PROT",
			"CCC", "CLNT", "HOST", "LANG", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "REST"},
		During: Queue, Begin: ReplyFirst, ForeignPORT: Connect, LowPORT: true, RestPersists: true,
		ListOptions: true, Glob: true, DotDirs: true,
	}
}

// Personalities returns one of each.
func Personalities() []Personality {
	return []Personality{Plain(), VSFTPD(), ProFTPD(), PureFTPd(), Pyftpdlib(), IIS(), FileZilla(), Ancient()}
}

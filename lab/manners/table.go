//go:build linux

package main

import "github.com/ftpnat/ftpnat/lab/internal/servers"

// everywhere is what no server can make work: a file that is written piece by
// piece is in nobody's memory when its connection breaks.
var everywhere = []string{"resume/create"}

// falsehoods are what the servers do otherwise than they say in any
// configuration; see row.Untrue.
var falsehoods = map[servers.Kind][]string{
	// MKD of a folder that is there is a 257.
	servers.FtpSrv: {"upload/folder again"},
	servers.Goftp:  {"upload/folder again"},
	// A name with a tab is in no listing, and what is written as "trailing " or
	// with a tab is there under another name.
	servers.PureFTPd: {"names/list", "names/left behind"},
	// LIST has the time of day of any year.
	servers.NodeFtpd: {"list/folder", "names/list"},
}

// refusals is what the servers do not do in any configuration; see row.Refuses.
var refusals = map[servers.Kind][]string{
	servers.ProFTPD:  {"names/mkdir st*r"},
	servers.PureFTPd: {"names/write back\\slash", "names/mkdir back\\slash", "names/write trailing ", "names/write tab\tbed", "names/mkdir tab\tbed"},
	// Links look like what they lead to.
	servers.Pyftpdlib: {"read/link"},
	// MDTM sets no times.
	servers.Inetutils: {"times/set"},
	// No REST, APPE or SITE; names are Latin-1.
	servers.Twisted: {"read/read at", "read/link", "append/*", "times/*", "names/read ü", "names/read 日本", "names/write ü", "names/write 日本", "names/mkdir ü", "names/mkdir 日本"},
	// Only LIST tells of files, by the minute, and of nothing in a closed directory;
	// links look like what they lead to.
	servers.Aioftp: {"read/link", "rename/onto", "times/*", "boxes/stat *", "boxes/open *", "names/read trailing ", "names/write trailing "},
	// No REST or SITE; links look like what they lead to.
	servers.NodeFtpd: {"read/read at", "read/link", "times/set", "times/mode", "names/write trailing "},
	// Quotes vanish from names, and backslashes are slashes.
	servers.FtpSrv: {"read/link", "times/set", "names/read quote\"d", "names/read back\\slash", "names/write quote\"d", "names/write back\\slash",
		"names/mkdir quote\"d", "names/mkdir back\\slash"},
	// APPE replaces a file; what is a link cannot be read.
	servers.Goftp: {"read/link", "fetch/tree", "append/there", "times/*"},
}

// faults are those of the library with a server; see row.Known.
var faults = map[servers.Kind][]string{
	// MKD's 257 for a new folder, in which nothing can be in the way.
	servers.FtpSrv: {"copy/again"},
	servers.Goftp:  {"copy/again"},
	// A closed directory is listed as empty, and nothing else tells of it.
	servers.Aioftp: {"boxes/list *", "boxes/walk *", "boxes/fetch *"},
}

// What is refused where nothing can be written, where there is no room, and
// where a name must not begin with a dot, as the temporary ones of Upload do.
var (
	noWrite = []string{"boxes/write 0733", "boxes/upload 0733", "upload/*", "append/*", "rename/*", "remove/*", "times/set", "times/mode",
		"copy/*", "names/write *", "names/mkdir *", "resume/upload*"}
	noSpace = []string{"upload/*", "append/*", "copy/tree", "names/write *", "resume/upload*"}
	noDots  = []string{"upload/write dot", "remove/all", "names/write .hidden"}
	// Anonymous may add and change nothing: Upload's rename is refused too.
	anonymousRefuses = []string{"boxes/upload 0733", "upload/write over", "upload/upload*", "append/*", "rename/*", "remove/*", "times/*",
		"resume/upload*"}
	// Where LIST -a shows neither names with a dot nor the directory itself, nothing
	// tells of them, and a closed directory looks empty.
	hiddenFaults = []string{"list/folder", "walk/tree", "fetch/tree", "remove/all", "names/list", "boxes/list *", "boxes/walk *", "boxes/fetch *"}
	// What cannot be told from nothing where neither a listing nor SIZE and MDTM
	// tell.
	untold = []string{"boxes/stat *", "boxes/open *"}
)

// The sizes of file systems that are full but for room.
const fullDisk = 4 << 20

var rows = []row{
	{Server: servers.Vsftpd, InCI: true},
	{Server: servers.Vsftpd, Config: "hide_file", Refuses: []string{"remove/all"}, Settings: []string{"hide_file={*.mp3,.*}"}, Hides: []string{"*.mp3", ".*"}, InCI: true,
		Odd: "files are there and not in listings"},
	{Server: servers.Vsftpd, Config: "deny_file", Refuses: []string{"read/song.mp3", "fetch/tree"}, Settings: []string{"deny_file={*.mp3}"}, InCI: true,
		Odd: "files are listed and refused"},
	{Server: servers.Vsftpd, Config: "max_per_ip=1", Max: 1, InCI: true, Odd: "one session"},
	{Server: servers.Vsftpd, Config: "max_per_ip=2", Max: 2, Odd: "two sessions"},
	{Server: servers.Vsftpd, Config: "data_connection_timeout=2", Settings: []string{"data_connection_timeout=2", "accept_timeout=2", "idle_session_timeout=2"},
		Odd: "it ends sessions that pause for 2 s"},
	{Server: servers.Vsftpd, Config: "ascii_*_enable=YES", Settings: []string{"ascii_upload_enable=YES", "ascii_download_enable=YES"},
		Odd: "TYPE A changes line ends; SIZE is refused in it"},
	{Server: servers.Vsftpd, Config: "chroot_local_user=NO", Settings: []string{"chroot_local_user=NO"}, Odd: "the login is not in the root"},
	{Server: servers.Vsftpd, Config: "write_enable=NO", Refuses: noWrite, Settings: []string{"write_enable=NO"}, InCI: true, Odd: "nothing can be changed"},
	{Server: servers.Vsftpd, Config: "anonymous", Refuses: noWrite, Anonymous: true, Settings: anonymous("anon_world_readable_only=YES"), Odd: "no login, nothing can be changed"},
	{Server: servers.Vsftpd, Config: "anonymous uploads", Refuses: anonymousRefuses, Untrue: []string{"boxes/left in 0733", "upload/left behind", "resume/left behind"}, Anonymous: true, InCI: true,
		Settings: anonymous("anon_upload_enable=YES", "anon_mkdir_write_enable=YES", "anon_umask=022", "chown_uploads=NO"),
		Odd:      "new files only: no rename, no removal, nothing over a file"},
	{Server: servers.Vsftpd, Config: "dirlist_enable=NO", Refuses: []string{"list/*", "read/link", "walk/*", "fetch/tree", "remove/all", "copy/again", "names/list"},
		Settings: []string{"dirlist_enable=NO"}, InCI: true, Odd: "no listing"},
	{Server: servers.Vsftpd, Config: "download_enable=NO", Refuses: []string{"read/*", "boxes/read *", "fetch/*", "names/read *", "resume/read", "resume/fetch"}, Settings: []string{"download_enable=NO"}, Odd: "a drop box"},
	{Server: servers.Vsftpd, Config: "hide_ids, mdtm_write=NO", Refuses: []string{"times/set"}, Settings: []string{"hide_ids=YES", "mdtm_write=NO"}, Odd: "no owners, no times set"},
	{Server: servers.Vsftpd, Config: "cmds_denied=SIZE,MDTM", Refuses: append(untold[:len(untold):len(untold)], "read/read at", "times/*"), Settings: []string{"cmds_denied=SIZE,MDTM,REST"}, Odd: "no SIZE, MDTM or REST"},
	{Server: servers.Vsftpd, Config: "a full disk", Refuses: noSpace, Disk: fullDisk, InCI: true, Odd: "128 KiB are left"},

	{Server: servers.ProFTPD, Settings: []string{"AllowStoreRestart off"}, Refuses: []string{"append/there"}, InCI: true, Odd: "REST before STOR, and APPE, are refused"},
	{Server: servers.ProFTPD, Config: "AllowStoreRestart on", InCI: true},
	{Server: servers.ProFTPD, Config: "HiddenStores on", Refuses: []string{"append/there"}, Settings: []string{"AllowStoreRestart off", "HiddenStores on"}, InCI: true,
		Odd: "uploads have a name of their own until they end"},
	{Server: servers.ProFTPD, Config: "AllowRetrieveRestart off", Refuses: []string{"read/read at"}, Settings: []string{"AllowRetrieveRestart off"}, Odd: "REST before RETR is refused"},
	{Server: servers.ProFTPD, Config: "DeleteAbortedStores on", Settings: []string{"HiddenStores on", "DeleteAbortedStores on"}, Odd: "what breaks is removed"},
	{Server: servers.ProFTPD, Config: "AllowOverwrite off", Refuses: []string{"upload/write over", "rename/onto"}, Settings: []string{"AllowOverwrite off"}, InCI: true, Odd: "nothing over a file"},
	{Server: servers.ProFTPD, Config: "ShowSymlinks off", Refuses: []string{"read/link"}, Settings: []string{"ShowSymlinks off"}, InCI: true, Odd: "links look like what they lead to"},
	{Server: servers.ProFTPD, Config: "MaxClientsPerHost 1", Settings: []string{"MaxClientsPerHost 1"}, InCI: true, Odd: "one session; the next is told at PASS"},
	{Server: servers.ProFTPD, Config: `ListOptions "-R"`, Settings: []string{`ListOptions "-R"`}, Odd: "LIST lists all below"},
	{Server: servers.ProFTPD, Config: `ListOptions "-l" strict`, Known: hiddenFaults, Settings: []string{`ListOptions "-l" strict`, noMLSD}, InCI: true,
		Odd: "LIST -a is LIST: names with a dot are not shown; no MLSD"},
	{Server: servers.ProFTPD, Config: "DirFakeUser", Settings: []string{"DirFakeUser on ftp", "DirFakeGroup on ftp", "DirFakeMode 0444"}, InCI: true,
		Odd: "all owners and modes are made up"},
	{Server: servers.ProFTPD, Config: "no MLSD", Settings: []string{noMLSD}, InCI: true, Odd: "MLSD and MLST are refused"},
	{Server: servers.ProFTPD, Config: "TimesGMT off", Settings: []string{"TimesGMT off"}, Odd: "times are of the server's zone"},
	{Server: servers.ProFTPD, Config: "PathDenyFilter", Refuses: noDots, Settings: []string{`PathDenyFilter "(^|/)\\.[^/]*$"`}, Odd: "names with a dot are refused"},
	{Server: servers.ProFTPD, Config: "no write", Refuses: noWrite, Settings: []string{"<Limit WRITE>\nDenyAll\n</Limit>"}, Odd: "nothing can be changed"},
	{Server: servers.ProFTPD, Config: "a full disk", Refuses: noSpace, Disk: fullDisk, InCI: true, Odd: "128 KiB are left"},

	{Server: servers.PureFTPd, InCI: true},
	{Server: servers.PureFTPd, Config: "-x", Refuses: noDots, Settings: []string{"-x"}, InCI: true, Odd: "names with a dot are not written"},
	{Server: servers.PureFTPd, Config: "-X", Refuses: append(noDots[:len(noDots):len(noDots)], "read/.hidden", "fetch/tree"), Settings: []string{"-X"}, Odd: "names with a dot are not read either"},
	{Server: servers.PureFTPd, Config: "-C 1", Max: 1, InCI: true, Odd: "one session"},
	{Server: servers.PureFTPd, Config: "-n 90:1", Refuses: []string{"append/*", "names/mkdir *", "resume/upload*"}, Settings: []string{"-n", "90:1"}, InCI: true, Odd: "a quota of 90 files and 1 MB, which is used up"},
	{Server: servers.PureFTPd, Config: "-r", Refuses: []string{"upload/write over"}, Untrue: []string{"upload/left behind"}, Settings: []string{"-r"}, InCI: true, Odd: "an upload over a file gets another name"},
	{Server: servers.PureFTPd, Config: "-K", Refuses: []string{"remove/*"}, Untrue: []string{"resume/left behind"}, Settings: []string{"-K"}, InCI: true, Odd: "files are not removed"},
	{Server: servers.PureFTPd, Config: "-b", Refuses: []string{"read/link"}, Settings: []string{"-b"}, Odd: "listings for broken clients: no links"},
	{Server: servers.PureFTPd, Config: "-z", Settings: []string{"-z"}, Odd: "LIST shows names with a dot to anonymous"},
	{Server: servers.PureFTPd, Config: "-D", Settings: []string{"-D"}, Odd: "LIST shows names with a dot always"},
	{Server: servers.PureFTPd, Config: "-G -R", Refuses: []string{"boxes/upload 0733", "upload/upload", "upload/upload over", "rename/*", "times/mode", "resume/upload*"}, Settings: []string{"-G", "-R"}, InCI: true, Odd: "no rename, no modes"},
	{Server: servers.PureFTPd, Config: "-L 5:2", Refuses: []string{"list/folder", "read/link", "walk/*", "fetch/tree", "copy/again", "names/*"}, Settings: []string{"-L", "5:2"}, InCI: true, Odd: "listings end after 5 names"},
	{Server: servers.PureFTPd, Config: "-N", Settings: []string{"-N"}, InCI: true, Odd: "active mode alone"},
	{Server: servers.PureFTPd, Config: "a full disk", Refuses: noSpace, Disk: fullDisk, InCI: true, Odd: "128 KiB are left"},

	{Server: servers.Pyftpdlib, InCI: true},
	{Server: servers.Pyftpdlib, Config: "read-only", Refuses: noWrite, Settings: []string{`authorizer.user_table[o["user"]]["perm"] = "elr"`}, InCI: true, Odd: "nothing can be changed"},
	{Server: servers.Pyftpdlib, Config: "throttled", Rate: 400 << 10, Odd: "400 KiB a second"},
	{Server: servers.Pyftpdlib, Config: "no MLSD", Settings: []string{without("MLSD", "MLST")}, InCI: true, Odd: "MLSD and MLST are unknown"},
	{Server: servers.Pyftpdlib, Config: "no MLSD, SIZE, MDTM, REST", Refuses: append(untold[:len(untold):len(untold)], "read/read at", "times/*"), Settings: []string{without("MLSD", "MLST", "SIZE", "MDTM", "MFMT", "REST")},
		Odd: "nothing tells a size but LIST"},
	{Server: servers.Pyftpdlib, Config: "use_gmt_times = False", Settings: []string{"Handler.use_gmt_times = False"}, Odd: "times are of the server's zone"},
	{Server: servers.Pyftpdlib, Config: "max_cons_per_ip = 1", Max: 1, InCI: true, Odd: "one session"},
	{Server: servers.Pyftpdlib, Config: "a full disk", Refuses: append(noSpace[:len(noSpace):len(noSpace)], "names/*", "resume/*"), Disk: fullDisk, Odd: "128 KiB are left, and then a file has no reply"},

	{Server: servers.Inetutils, InCI: true},
	{Server: servers.Twisted, InCI: true},
	{Server: servers.Aioftp, InCI: true},
	{Server: servers.FtpSrv, InCI: true},
	{Server: servers.NodeFtpd, InCI: true},
	{Server: servers.Goftp, InCI: true},
}

const noMLSD = "<Limit MLSD MLST>\nDenyAll\n</Limit>"

// anonymous returns settings of vsftpd for anonymous logins.
func anonymous(more ...string) []string {
	return append([]string{"anonymous_enable=YES", "local_enable=NO", "ftp_username=lab", "no_anon_password=YES", "anon_world_readable_only=NO"}, more...)
}

// without returns lines that make pyftpdlib not know commands.
func without(commands ...string) string {
	text := "Handler.proto_cmds = dict(Base.proto_cmds)\n"
	for _, c := range commands {
		text += "del Handler.proto_cmds['" + c + "']\n"
	}
	return text
}

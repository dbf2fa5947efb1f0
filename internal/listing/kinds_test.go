package listing

import (
	"slices"
	"strings"
	"testing"
)

// TestKinds lists what servers of kinds that are rare send: each line is an entry
// or none at all, with the value that its user would read.
func TestKinds(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string
	}{
		{"a sum of files above ls", "Total 3 files, 12345 bytes\n-rw-r--r-- 1 u g 12 Jan 29 03:26 a\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g minute=2024-01-29T03:26:00`}},
		{"a sum of files on VMS that is all", "Total of 0 files, 0 blocks.\n", nil},
		{"sizes with blanks between thousands", "-rw-r--r-- 1 u g 1 234 567 Jan 29 03:26 a\n-rw-r--r-- 1 u g 234 567 Jan 29 03:26 b\n-rw-r--r-- 1 u v w 567 Jan 29 03:26 c\n-rw-r--r-- 1 u g 1\u202f234\u202f567 Jan 29 03:26 d\n",
			[]string{`file   "a" size=1234567 mode=-rw-r--r-- owner=u group=g minute=2024-01-29T03:26:00`,
				`file   "b" mode=-rw-r--r-- minute=2024-01-29T03:26:00`,
				`file   "c" size=567 mode=-rw-r--r-- minute=2024-01-29T03:26:00`,
				`file   "d" size=1234567 mode=-rw-r--r-- owner=u group=g minute=2024-01-29T03:26:00`}},
		{"a device in hexadecimal", "crw-rw-rw- 1 root root 0x1000003 Jan 29  2020 null\n",
			[]string{`other  "null" mode=-rw-rw-rw- day=2020-01-29T00:00:00`}},
		{"a link without its target", "lrwxrwxrwx 1 u g 12 Jan 29 03:26 l ->\n",
			[]string{`link   "l" size=12 mode=-rwxrwxrwx owner=u group=g minute=2024-01-29T03:26:00`}},
		{"a zone behind minutes", "-rw-r--r-- 1 u g 12 2024-02-29 10:00 +0100 a\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g minute=2024-02-29T09:00:00 absolute`}},
		{"a date of Java and date(1)", "-rw-r--r-- 1 u g 12 Thu Feb 29 10:00:00 CET 2024 a\n-rw-r--r-- 1 u g 12 Thu Feb 29 10:00:00 UTC 2024 b\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g`,
				`file   "b" size=12 mode=-rw-r--r-- owner=u group=g second=2024-02-29T10:00:00 absolute`}},
		{"z/OS with extended attributes", "-rw-r--r--  --s-  1 OMVSKERN SYS1  531 Feb 29 10:00 b.txt\n",
			[]string{`file   "b.txt" size=531 mode=-rw-r--r-- owner=OMVSKERN group=SYS1 minute=2024-02-29T10:00:00`}},
		{"DOS in French", "29/02/2024  10:00    <REP>          d\n29/02/2024  10:00         1 234 567 a.txt\n29/02/2024  10:00             1\u00a0234 b.txt\n29/02/2024  10:00                12 345 6.txt\n               2 fichier(s)        1 234 567 octets\n",
			[]string{`dir    "d" minute=2024-02-29T10:00:00`, `file   "a.txt" size=1234567 minute=2024-02-29T10:00:00`,
				`file   "b.txt" size=1234 minute=2024-02-29T10:00:00`, `file   "345 6.txt" size=12 minute=2024-02-29T10:00:00`}},
		{"DOS in German", " Volumeseriennummer: 1234-ABCD\n\n Verzeichnis von C:\\ftp\n\n29.02.2024  10:00    <DIR>          .\n29.02.2024  10:00         1.234.567 a.txt\n               1 Datei(en),      1.234.567 Bytes\n               2 Verzeichnis(se), 12.345.678 Bytes frei\n",
			[]string{`file   "a.txt" size=1234567 minute=2024-02-29T10:00:00`}},
		{"DOS, dates of ISO 8601", "2024-02-29T10:00:00       <DIR>  d\n2024-02-29T10:00:00.123         12 a.txt\n2024-02-29T10:00:00Z      12 b.txt\n2024-02-29T10:00:00+01:00 12 c d.txt\n",
			[]string{`dir    "d" second=2024-02-29T10:00:00`, `file   "a.txt" size=12 second=2024-02-29T10:00:00`, `file   "b.txt" size=12 second=2024-02-29T10:00:00 absolute`,
				`file   "c d.txt" size=12 second=2024-02-29T09:00:00 absolute`}},
		{"DOS, a tag in another language", "29.02.2024  10:00    <VERZEICHNIS>  d e\n", []string{`unknown "d e" minute=2024-02-29T10:00:00`}},
		{"DOS, a size in units", "02-29-24  10:00AM              12K b.txt\n",
			[]string{`file   "b.txt" minute=2024-02-29T10:00:00`}},
		{"OS/400, a day of the year and points in the time", "QPGMR   1234 24/060 10:00:00 *STMF  y3.txt\nQPGMR   1234 24060 10:00:00 *STMF  y4.txt\nQPGMR   1234 29.02.24 10.00.00 *STMF  y5.txt\n",
			[]string{`file   "y3.txt" size=1234 owner=QPGMR`, `file   "y4.txt" size=1234 owner=QPGMR`, `file   "y5.txt" size=1234 owner=QPGMR second=2024-02-29T10:00:00`}},
		{"VMS, blanks in names", "Directory USERS:[DIR]\n\nA.TXT;1  1  8-SEP-2004 15:20 [FTP] (RWED,RWED,RE,)\nMY DIR.DIR;1  1  8-SEP-2004 15:20 [FTP] (RWED,RWED,RE,)\n",
			[]string{`file   "A.TXT;1" owner=FTP minute=2004-09-08T15:20:00`, `dir    "MY DIR" owner=FTP minute=2004-09-08T15:20:00`}},
		{"z/OS, migrated by its volume", "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\nMIGRAT                                                 MIG.X\n",
			[]string{`file   "MIG.X"`}},
		{"the year first and a time", "-rw-r--r-- 1 u g 12 2024 Feb 29 10:00 a\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g minute=2024-02-29T10:00:00`}},
		{"zones of ISO 8601", "-rw-r--r-- 1 u g 12 2024-02-29 10:00:00 +01:00 a\n-rw-r--r-- 1 u g 12 2024-02-29 10:00:00 Z b\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g second=2024-02-29T09:00:00 absolute`,
				`file   "b" size=12 mode=-rw-r--r-- owner=u group=g second=2024-02-29T10:00:00 absolute`}},
		{"the day of the week", "-rw-r--r-- 1 u g 12 Thu, 29 Feb 2024 10:00:00 GMT a\n-rw-r--r-- 1 u g 12 Thu, 29 Feb 2024 10:00:00 +0100 b\n-rw-r--r-- 1 u g 12 Thu Feb 29 10:00 2024 c\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g second=2024-02-29T10:00:00 absolute`,
				`file   "b" size=12 mode=-rw-r--r-- owner=u group=g second=2024-02-29T09:00:00 absolute`,
				`file   "c" size=12 mode=-rw-r--r-- owner=u group=g minute=2024-02-29T10:00:00`}},
		{"sums in words", "total used in directory 12 available 345\n-rw-r--r-- 1 u g 12 Jan 29 03:26 a\ntotal 3 file(s)\n",
			[]string{`file   "a" size=12 mode=-rw-r--r-- owner=u group=g minute=2024-01-29T03:26:00`}},
		{"DOS, halves of a day in Spanish", "02/29/2024  10:00 a.m.         1,234 b.txt\n02/29/2024  10:00 p. m.         1,234 c.txt\n",
			[]string{`file   "b.txt" size=1234 minute=2024-02-29T10:00:00`, `file   "c.txt" size=1234 minute=2024-02-29T22:00:00`}},
		{"VMS without versions", "CII-MANUAL.TEX  213/216  29-JAN-1996 03:33:12  [ANONYMOU,ANONYMOUS]   (RWED,RWED,,)\n",
			[]string{`file   "CII-MANUAL.TEX" owner=ANONYMOUS group=ANONYMOU second=1996-01-29T03:33:12`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for e, err := range NewParser(Options{Now: march2}).All(strings.NewReader(tt.body)) {
				got = append(got, describe(e, err))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

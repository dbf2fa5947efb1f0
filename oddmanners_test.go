package ftpnat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestOddReplies has servers that do what they are asked and say so in words and
// with codes of their own.
func TestOddReplies(t *testing.T) {
	type step = ftptest.Step
	tests := map[string][]any{
		"PWD without quotes":      {step{On: "PWD", Reply: "257 / is current directory."}},
		"PWD 250":                 {step{On: "PWD", Reply: "250 \"/\" is current directory."}},
		"PWD of VMS":              {step{On: "PWD", Reply: "257 Current directory is /"}},
		"PWD refused":             {step{On: "PWD", Reply: "502 Not implemented."}},
		"PWD bare":                {step{On: "PWD", Reply: "257 \"/\""}},
		"PWD cut":                 {step{On: "PWD", Reply: "257 \"/"}},
		"PWD empty":               {step{On: "PWD", Reply: "257 \"\" is current directory."}},
		"PWD single quotes":       {step{On: "PWD", Reply: "257 '/' is current directory."}},
		"CWD 200":                 {step{On: "CWD", Final: "200 OK."}, step{On: "CDUP", Final: "200 OK."}},
		"FEAT 500":                {step{On: "FEAT", Reply: "500 What?"}},
		"FEAT 530":                {step{On: "FEAT", Reply: "530 What?"}},
		"FEAT 211 alone":          {step{On: "FEAT", Reply: "211 No features."}},
		"FEAT 200":                {step{On: "FEAT", Reply: "200 Command OK."}},
		"FEAT unindented":         {step{On: "FEAT", Raw: "211-Features:\r\nSIZE\r\nMDTM\r\nUTF8\r\n211 End\r\n"}},
		"FEAT with codes":         {step{On: "FEAT", Raw: "211-Features:\r\n211-SIZE\r\n211-MDTM\r\n211-REST STREAM\r\n211 End\r\n"}},
		"FEAT with tabs":          {step{On: "FEAT", Raw: "211-Features:\r\n\tSIZE\r\n\tMDTM\r\n\r\n211 End\r\n"}},
		"FEAT lower case":         {step{On: "FEAT", Raw: "211-features:\n size\n mdtm\n utf8\n211 end\n"}},
		"FEAT claims MLSD":        {step{On: "FEAT", Raw: "211-F\r\n MLSD\r\n MLST type*;size*;modify*;\r\n211 End\r\n"}, step{On: "MLSD", Reply: "500 ?"}, step{On: "MLST", Reply: "500 ?"}},
		"MLST 550 for all":        {step{On: "MLST", Reply: "550 No."}},
		"SIZE in ASCII":           {step{On: "SIZE", Reply: "550 SIZE not allowed in ASCII mode."}},
		"no SIZE, no MDTM":        {step{On: "SIZE", Reply: "500 ?"}, step{On: "MDTM", Reply: "500 ?"}},
		"MDTM with a fraction":    {step{On: "MDTM", Arg: "file", Reply: "213 20240229100000.123"}},
		"MDTM with words":         {step{On: "MDTM", Arg: "file", Reply: "213 file.bin 20240229100000"}},
		"MDTM of the year 19100":  {step{On: "MDTM", Arg: "file", Reply: "213 191000229100000"}},
		"MDTM short":              {step{On: "MDTM", Arg: "file", Reply: "213 20240229"}},
		"MDTM nonsense":           {step{On: "MDTM", Arg: "file", Reply: "213 Feb 29 10:00"}},
		"RNFR 250":                {step{On: "RNFR", Final: "250 Ready."}},
		"STOR 200":                {step{On: "STOR", Final: "200 Stored."}},
		"STOR 125":                {step{On: "STOR", Preliminary: "125 Data connection already open."}},
		"RETR 110":                {step{On: "RETR", Preliminary: "110 Restart marker."}},
		"RETR early":              {step{On: "RETR", Early: true}},
		"LIST early":              {step{On: "LIST", Early: true}, step{On: "MLSD", Early: true}},
		"LIST 250":                {step{On: "LIST", Final: "250 List completed."}, step{On: "MLSD", Final: "250 List completed."}},
		"LIST 200":                {step{On: "LIST", Final: "200 List completed."}, step{On: "MLSD", Final: "200 List completed."}},
		"OPTS 550":                {step{On: "OPTS", Reply: "550 ?"}},
		"NOOP 500":                {step{On: "NOOP", Reply: "500 ?"}},
		"LIST without 150":        {step{On: "LIST", Preliminary: "-"}, step{On: "MLSD", Preliminary: "-"}},
		"RETR without 150":        {step{On: "RETR", Preliminary: "-"}},
		"multi-line 226":          {step{On: "RETR", Final: "226-File successfully transferred\n226 0.001 seconds"}, step{On: "STOR", Final: "226-File\n\n226 is there"}},
		"multi-line 150":          {step{On: "RETR", Preliminary: "150-Here\n it\n150 comes"}, step{On: "LIST", Preliminary: "150-Here\n150-it\n150 comes"}},
		"MKD without quotes":      {step{On: "MKD", Final: "257 dir created."}},
		"MKD 250":                 {step{On: "MKD", Final: "250 OK."}},
		"MKD 200":                 {step{On: "MKD", Final: "200 OK."}},
		"DELE 200":                {step{On: "DELE", Final: "200 OK."}, step{On: "RMD", Final: "200 OK."}, step{On: "RNTO", Final: "200 OK."}},
		"SIZE of a directory":     {step{On: "SIZE", Arg: "dir", Reply: "213 4096"}},
		"SIZE with words":         {step{On: "SIZE", Arg: "file", Reply: "213 file 10000"}},
		"SIZE with a unit":        {step{On: "SIZE", Arg: "file", Reply: "213 10000 bytes"}},
		"SIZE negative":           {step{On: "SIZE", Arg: "file", Reply: "213 -1"}},
		"SIZE with zeros":         {step{On: "SIZE", Arg: "file", Reply: "213 0000010000"}},
		"SIZE with a blank more":  {step{On: "SIZE", Arg: "file", Reply: "213  10000 "}},
		"EPSV 501":                {step{On: "EPSV", Reply: "501 ?"}},
		"REST 500":                {step{On: "REST", Reply: "502 ?"}},
		"150 with the wrong size": {step{On: "RETR", Preliminary: "150 Opening data connection (12,000 KB)."}},
		"226 without words":       {step{On: "RETR", Final: "226"}, step{On: "STOR", Final: "226"}, step{On: "LIST", Final: "226"}, step{On: "MLSD", Final: "226"}},
	}
	for name, steps := range tests {
		for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), ftptest.Ancient()} {
			t.Run(name+" "+p.Name, func(t *testing.T) {
				inBubble(t, played(p, steps...), func(t *testing.T, w *world) {
					w.put(t, "dir/file", small)
					w.put(t, "dir/other", small)
					fsys := w.openFS(t, "")
					var wrong []string
					fail := func(what string, err error) {
						if err != nil {
							wrong = append(wrong, fmt.Sprint(what, ": ", err))
						}
					}
					list, err := fsys.ReadDir("dir")
					fail("list", err)
					if got := strings.Join(namesOf(list), " "); got != "file other" {
						fail("list", fmt.Errorf("%q", got))
					}
					info, err := fsys.Stat("dir/file")
					fail("stat", err)
					if err == nil && info.Size() != int64(len(small)) {
						fail("size", fmt.Errorf("%d", info.Size()))
					}
					b, err := fsys.ReadFile("dir/file")
					fail("read", err)
					if string(b) != string(small) {
						fail("read", fmt.Errorf("%d bytes", len(b)))
					}
					fail("write", fsys.WriteFile("dir/new", small, 0o644))
					fail("rename", fsys.Rename("dir/new", "dir/newer"))
					fail("mkdir", fsys.MkdirAll("dir/a/b", 0o755))
					fail("remove", fsys.Remove("dir/newer"))
					fail("rmdir", fsys.Remove("dir/a/b"))
					fail("remove all", fsys.RemoveAll("dir"))
					w.left(t, "", "empty", "pub")
					if len(wrong) > 0 {
						t.Error(strings.Join(wrong, "\n"))
					}
				})
			})
		}
	}
}

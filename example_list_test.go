package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// A line that is not understood costs itself alone. This server has a file whose
// name no FTP command can carry.
func ExampleListingError() {
	srv := ftptest.NewServer(fstest.MapFS{
		"jan.csv":       {Data: []byte("118\n")},
		"old\rname.csv": {Data: []byte("97\n")},
	})
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	entries, err := fsys.ReadDir(".")
	var unread *ftpnat.ListingError
	if errors.As(err, &unread) {
		fmt.Println(len(unread.Lines)+unread.More, "line of", unread.Dir, "was not understood")
	} else if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	// Output:
	// 1 line of . was not understood
	// jan.csv
}

// The lines of a listing as they came. This server has MLSD, whose lines are facts
// and a name.
func ExampleFS_ReadDirRaw() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	raw, err := fsys.ReadDirRaw("2006")
	if err != nil {
		log.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		facts, name, _ := strings.Cut(strings.TrimSpace(string(line)), "; ")
		for fact := range strings.SplitSeq(facts, ";") {
			if strings.HasPrefix(fact, "type=") {
				fmt.Println(name, fact)
			}
		}
	}
	// Output:
	// feb.csv type=file
	// jan.csv type=file
	// raw type=dir
}

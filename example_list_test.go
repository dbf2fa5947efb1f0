package ftpnat_test

import (
	"errors"
	"fmt"
	"log"
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

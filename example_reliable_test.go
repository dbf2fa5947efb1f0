package ftpnat_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

// A stream is written under a temporary name, which becomes the final one at
// Close, when the server has confirmed that it has all of it.
func ExampleFS_CreateAtomic() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	f, err := fsys.CreateAtomic("2006/jan.csv")
	if err != nil {
		log.Fatal(err)
	}
	for day := range 3 {
		if _, err := fmt.Fprintf(f, "2006-01-%02d\n", day+1); err != nil {
			log.Fatal(errors.Join(err, f.Abort()))
		}
	}
	before, err := fsys.ReadFile("2006/jan.csv")
	fmt.Printf("%q %v\n", before, err)
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
	after, err := fsys.ReadFile("2006/jan.csv")
	fmt.Printf("%q %v\n", after, err)
	// Output:
	// "118\n" <nil>
	// "2006-01-01\n2006-01-02\n2006-01-03\n" <nil>
}

// Abort gives up what was written; what was there stays.
func ExampleFile_Abort() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	f, err := fsys.CreateAtomic("2006/jan.csv")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := f.Write([]byte("half a l")); err != nil {
		log.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		log.Fatal(err)
	}
	data, err := fsys.ReadFile("2006/jan.csv")
	fmt.Printf("%q %v\n", data, err)
	// Output: "118\n" <nil>
}

// The first call fails for a reason that passes, the second one for good.
func ExampleRetryable() {
	srv := ftptest.NewServer(archive, ftptest.Reply("MKD", "450 Busy, try later.").On(1))
	defer srv.Close()
	d := ftpnat.Dialer{RetryFor: -1} // do not try again by yourself
	fsys, err := d.Open(context.Background(), srv.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer fsys.Close()

	err = fsys.Mkdir("2007", 0o777)
	fmt.Println(ftpnat.Retryable(err))
	_, err = fsys.ReadFile("2008/jan.csv")
	fmt.Println(ftpnat.Retryable(err), errors.Is(err, fs.ErrNotExist))
	// Output:
	// true
	// false true
}

// If the server can hash files, a file need not be fetched to be compared.
func ExampleFS_Hash() {
	srv := ftptest.NewServer(archive)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	want := sha256.Sum256([]byte("118\n"))
	got, err := fsys.Hash("2006/jan.csv", "SHA-256")
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		fmt.Println("the server does not hash")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(string(got) == string(want[:]))
	}
	// Output: true
}

func ExampleFS_Features() {
	srv := ftptest.NewServer(nil)
	defer srv.Close()
	fsys := openServer(srv)
	defer fsys.Close()

	features, err := fsys.Features()
	if err != nil {
		log.Fatal(err)
	}
	_, ok := features["MLST"]
	fmt.Println("MLST:", ok)
	// Output: MLST: true
}

package listing

import (
	"fmt"
	"testing"
	"unsafe"
)

// TestKeeper keeps what an entry says and nothing of the line behind it.
func TestKeeper(t *testing.T) {
	var k Keeper
	var owner *byte
	for _, line := range []string{
		"type=OS.unix=slink:/some/where;size=7;perm=adfrw;unique=801U4;UNIX.ownername=ftp;UNIX.groupname=staff;media-type=text/plain; a link",
		"type=file;size=12;modify=20240115134601;perm=adfrw;UNIX.ownername=ftp;UNIX.mode=0644; a file",
	} {
		e, err := ParseMLSx(line)
		if err != nil {
			t.Fatal(err)
		}
		got, want := k.Keep(e), e
		want.Raw = ""
		if got != want {
			t.Errorf("kept %+v of %+v", got, want)
		}
		if unsafe.StringData(got.Name) == unsafe.StringData(e.Name) {
			t.Errorf("the name %q is still part of its line", got.Name)
		}
		if owner != nil && unsafe.StringData(got.Owner) != owner {
			t.Error("the same owner is there twice")
		}
		owner = unsafe.StringData(got.Owner)
	}
}

// TestKeeperBound keeps no more shared texts than a directory has.
func TestKeeperBound(t *testing.T) {
	var k Keeper
	for i := range 10 * maxShared {
		owner := fmt.Sprint("owner", i)
		if e := k.Keep(Entry{Name: "a", Owner: owner}); e.Owner != owner {
			t.Fatalf("owner %q of %q", e.Owner, owner)
		}
	}
	if len(k.shared) > maxShared {
		t.Errorf("%d texts are kept", len(k.shared))
	}
}

package listing

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

// likeColumns are words that a line has in front of the name, and that a name may
// have, too.
var likeColumns = []string{
	"Mar", "2", "12", "2020", "10:30", "5", "xyz", "jan.", "月", "3月", "2019年", "foo", "->", "-", "total", "4096", ";1",
	"2019-01-02", "AM", "de", "KB", "1.5M", "5.", "28.11.", "a", "<DIR>", "\xa0", "ж", "Thg", "UTC", "Mon", ":",
}

// layouts have one date each and all that varies around it.
var layouts = []string{
	"-rw-r--r-- 1 root root 12 Mar  2 10:30 %s",
	"-rw-r--r-- 1 root root 12 Mar  2  2020 %s",
	"-rw-r--r-- 1 1000 1000 2020 Mar  2 10:30 %s",
	"-rw-r--r-- 1 5 12 2020 Mar  2  2019 %s",
	"-rw-r--r-- 1 domain users wheel 12 Mar  2 10:30 %s",
	"-rw-r--r-- 1 root 512 Mar  2 10:30 %s",
	"-rw-r--r-- root root 512 Mar  2  2020 %s",
	"-rw-r--r-- 512 Mar  2  2020 %s",
	"-rw-r--r-- 1 longowner longgroup24809879 Jun 25  2008 %s",
	"-rw-r--r-- 1 root root 12 Mar  2 10:30:01 2020 %s",
	"-rw-r--r-- 1 root root 12 2019-03-02 10:30 %s",
	"-rw-r--r-- 1 root root 12  2. Mär 10:30 %s",
	"-rw-r--r-- 1 root root 12  2 mar 10.30 %s",
	"-rw-r--r-- 1 root root 12 2020 febr   2 %s",
	"-rw-r--r-- 1 root root 12 jan    2 10.30 %s",
	"-rw-r--r-- 1 root root 12  2. 3.  2019 %s",
	"-rw-r--r-- 1 root root 12 10:30  2 Thg 11 %s",
	"-rw-r--r-- 1 root root 12  3月  2 10:30 %s",
	"-rw-r--r-- 1 root root 12 2019年 3月 2日 %s",
	"-rw-r--r-- 1 root root 12  3월  2일  10:30 %s",
	"-rw-r--r-- 1 root root 12 qqq  2 10:30 %s",
	"-rw-r--r-- 1 root root 12 qqq  2  2020 %s",
	"-rw-r--r-- 1 root root 12  2 qqq  2020 %s",
	"-rw-r--r-- 1 1000 1000 2020 qqq  2 10:30 %s",
	"-rw-r--r-- 1 root root 12 Apr 31  2020 %s",
	"-rw-r--r-- 1 root root 12 Jan  0 25:61 %s",
	"d [RWCEAFMS] bob   512 Mar  2 10:30 %s",
	"-C--E-----FTP B OWNER      18128       41 Aug 12 13:56 %s",
	"03-02-20  10:00AM                   12 %s",
	"03-02-20  10:00AM       <DIR>          %s",
	"type=file;size=12; %s",
	"+r,s12,\t%s",
}

// TestNamesLikeColumns has names that look like columns come back as they are: a
// line that cannot be understood would be an error, and here none is.
func TestNamesLikeColumns(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, layout := range layouts {
		for range 1000 {
			words := make([]string, 1+r.Intn(6))
			for i := range words {
				words[i] = likeColumns[r.Intn(len(likeColumns))]
			}
			name := strings.Join(words, " ")
			line := fmt.Sprintf(layout, name)
			if e, ok, err := NewParser(Options{Now: march2}).Line(line); !ok || e.Name != name {
				t.Fatalf("%q = %q, %v, %v", line, e.Name, ok, err)
			}
		}
	}
}

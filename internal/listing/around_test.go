package listing

import (
	"strings"
	"testing"
)

// TestAround lists what servers put around lines, and between them.
func TestAround(t *testing.T) {
	const a, b = "-rw-r--r-- 1 u g 1 Mar  2  2020 a", "-rw-r--r-- 1 u g 1 Mar  2  2020 b"
	tests := []struct{ name, text, want string }{
		{"converted twice", a + "\r\r\n" + b + "\r\r\n", "a|b"},
		{"converted twice, one line", a + "\r\r\n", "a"},
		{"a name with a carriage return first", a + "\r\r\n" + b + "\r\n", "!|b"},
		{"and last", a + "\r\n" + b + "\r\r\n", "a|!"},
		{"a total before", "total 4\r\n" + a + "\r\r\n" + b + "\r\n", "!|b"},
		{"a total, converted twice", "total 4\r\r\n" + a + "\r\r\n" + b + "\r\r\n", "a|b"},
		{"an icon first", "-rw-r--r-- 1 u g 1 Mar  2  2020 Icon\r\r\n" + b + "\r\n", "!|b"},
		{"LF CR", a + "\n\r" + b + "\n\r", "a|b"},
		{"no end", a + "\n" + b, "a|b"},
		{"NUL behind each", a + "\x00\r\n" + b + "\x00\r\n", "a|b"},
		{"NUL before each", "\x00" + a + "\r\n\x00" + b + "\r\n\x00", "a|b"},
		{"Ctrl-Z glued to the end", a + "\r\n" + b + "\x1a\x00", "a|b"},
		{"BOM", "\ufeff" + a + "\r\n" + b, "a|b"},
		{"BOM and total", "\ufefftotal 5\r\n" + a + "\r\n" + b, "a|b"},
		{"any total", "kokku kokku 4,5K\n" + a + "\n" + b, "a|b"},
		{"total with a colon", "Total : 12\n" + a, "a"},
		{"a path", "/home/u:\ntotal 5\n" + a, "a"},
		{"a blank path", "\n./:\n" + a, "a"},
		{"a reply", "212-Status of /:\n" + a + "\n212 End.\n", "a"},
		{"a reply on each line", "213-Status\n213-" + a + "\n213- " + b + "\n213 End of status", "a|b"},
		{"an error of ls", "ls: x: Permission denied\n" + a, "!|a"},
		{"another directory", ".:\n" + a + "\n\n./sub:\ntotal 1\n" + b, "a|!"},
		{"names that end in a colon", a + ":\n" + b + ":", "a:|b:"},
		{"a folder of DOS that is named for a time", " Directory of C:\\logs 10.30\n04-27-00  09:09PM 7 a", "a"},
		{"a file of the name of a total", a + "\ntotal 5\n" + b, "a|b"},
	}
	for _, tt := range tests {
		var got []string
		for e, err := range NewParser(Options{Now: march2}).All(strings.NewReader(tt.text)) {
			if err != nil {
				e.Name = "!"
			}
			got = append(got, e.Name)
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
}

// TestDir takes paths for names of the directory that was asked for alone.
func TestDir(t *testing.T) {
	const ls, facts = "-rw-r--r-- 1 u g 1 Mar  2  2020 ", "type=file; "
	tests := []struct{ dir, line, want string }{
		{"", ls + "./a", "a"},
		{"", ls + "/pub/a", ""},
		{"", ls + "pub/a", ""},
		{"", ls + "../a", ""},
		{"", facts + "/pub/a", "a"},
		{"", facts + "pub/a", ""},
		{".", ls + "/pub/a", "a"},
		{".", ls + "pub/a", ""},
		{"pub", ls + "pub/a", "a"},
		{"pub", ls + "./pub/a", "a"},
		{"pub", ls + "/home/u/pub/a", "a"},
		{"/pub/", ls + "/pub/a", "a"},
		{"pub", ls + "/home/pubs/a", ""},
		{"pub", ls + "/etc/a", ""},
		{"pub", facts + "/etc/a", ""},
		{".pub", ls + "pub/a", ""},
		{"pub", "drwxr-xr-x 1 u g 1 Mar  2  2020 /pub/a/", "a"},
		{"pub", "lrwxrwxrwx 1 u g 1 Mar  2  2020 pub/a -> /x/y", "a"},
	}
	for _, tt := range tests {
		e, _, err := NewParser(Options{Now: march2, Dir: tt.dir}).Line(tt.line)
		if e.Name != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q in %q: %q, %v; want %q", tt.line, tt.dir, e.Name, err, tt.want)
		}
	}
}

package ftpnat

import "testing"

func TestNameForms(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "a": "a", "a b": "a b", "-a": "./-a", " a": "./ a", "~a": "./~a", "a/-b": "a/-b",
		"20240101000000 x": "./20240101000000 x", "20240101000000x": "20240101000000x", "20240101000000": "20240101000000",
	} {
		if got := dotted(name); got != want {
			t.Errorf("dotted(%q) = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"a": true, "a/b.c_d": true, "a-b": true, "ü": true, "-a": false, "a/-b": false, "a b": false, "a*": false, "[a]": false, "~a": false, "{a}": false, "a\\b": false,
	} {
		if got := plainName(name); got != want {
			t.Errorf("plainName(%q) = %v", name, got)
		}
	}
}

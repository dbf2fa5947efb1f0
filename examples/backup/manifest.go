package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
)

// manifest is what a backup holds, as it is written to manifest.json.
type manifest struct {
	Source   string    `json:"source"`   // without a password
	Begun    time.Time `json:"begun"`    // the last run that got to its end
	Complete bool      `json:"complete"` // that run found and read everything
	Problems []problem `json:"problems,omitempty"`
	Records  []record  `json:"records"` // by name
}

// problem is what could not be read or kept, and why.
type problem struct {
	Name name   `json:"name"`
	Why  string `json:"why"`
}

func (p problem) compare(q problem) int { return strings.Compare(string(p.Name), string(q.Name)) }

// The kinds of a record.
const (
	kindFile = "file"
	kindDir  = "dir"
	kindLink = "link"
)

// record is one name in the tree.
type record struct {
	Name      name      `json:"name"`
	Kind      string    `json:"kind"`
	Size      int64     `json:"size,omitzero"`
	Time      time.Time `json:"time,omitzero"`      // as the server tells it
	Precision period    `json:"precision,omitzero"` // of Time
	// Fresh is set where the file was read so soon after its Time that a
	// later change would not show in it.
	Fresh  bool      `json:"fresh,omitzero"`
	SHA256 string    `json:"sha256,omitzero"`
	Target name      `json:"target,omitzero"` // of a link; empty where the server does not tell
	Local  name      `json:"local,omitzero"`  // the name in the folder where Name cannot be used there
	Gone   time.Time `json:"gone,omitzero"`   // since when the server does not have it any more
}

func (r record) compare(q record) int { return strings.Compare(string(r.Name), string(q.Name)) }

// recordOf describes a file as the server tells it.
func recordOf(at string, info fs.FileInfo) record {
	r := record{Name: name(at), Kind: kindFile, Size: info.Size(), Time: info.ModTime()}
	facts, _ := info.Sys().(*ftpnat.Facts)
	if facts != nil {
		r.Precision = period(facts.Precision)
	}
	switch {
	case info.IsDir():
		r.Kind, r.Size = kindDir, 0
	case info.Mode()&fs.ModeSymlink != 0:
		r.Kind, r.Size = kindLink, 0
		if facts != nil {
			r.Target = name(facts.Target)
		}
	}
	return r
}

// same reports whether a file is, by size and time, what r was made of. Times
// in listings lose their minutes when a file gets old: the coarser of two
// decides.
func (r record) same(now record) bool {
	if r.Fresh || r.Size != now.Size || r.Time.IsZero() || now.Time.IsZero() {
		return false
	}
	p := time.Duration(max(r.Precision, now.Precision))
	return r.Time.Truncate(p).Equal(now.Time.Truncate(p))
}

// fresh reports whether the file may yet change without its time showing it.
func (r record) fresh(now time.Time) bool {
	return now.Sub(r.Time).Abs() <= time.Duration(r.Precision)
}

// local returns where the file is in a folder.
func (r record) local() string {
	if r.Local != "" {
		return string(r.Local)
	}
	return string(r.Name)
}

// encode returns the manifest as it is kept.
func (m *manifest) encode() ([]byte, error) {
	slices.SortFunc(m.Records, record.compare)
	data, err := json.MarshalIndent(m, "", "\t")
	return append(data, '\n'), err
}

// byName returns the records by their names.
func (m *manifest) byName() map[name]record {
	all := make(map[name]record, len(m.Records))
	for _, r := range m.Records {
		all[r.Name] = r
	}
	return all
}

// name is a name as the server has it. One that is not UTF-8 keeps its bytes:
// in JSON it is {"base64": "..."}.
type name string

type nameBytes struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON returns the name as a string where that loses nothing.
func (n name) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(n)) {
		return json.Marshal(string(n))
	}
	return json.Marshal(nameBytes{[]byte(n)})
}

// UnmarshalJSON reads either form.
func (n *name) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var b nameBytes
		err := json.Unmarshal(data, &b)
		*n = name(b.Base64)
		return err
	}
	return json.Unmarshal(data, (*string)(n))
}

// period is a duration that is readable in JSON.
type period time.Duration

// MarshalText returns it as time.Duration prints it.
func (p period) MarshalText() ([]byte, error) { return []byte(time.Duration(p).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (p *period) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*p = period(d)
	return err
}

// decodeManifest reads a manifest. What is in it becomes file names, so that
// it is checked.
func decodeManifest(data []byte) (*manifest, error) {
	m := new(manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("the manifest cannot be read: %w", err)
	}
	for _, r := range m.Records {
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (r record) check() error {
	switch {
	case !validName(string(r.Name)) || r.Name == "." || !validName(r.local()):
		return fmt.Errorf("the manifest has an impossible name: %q", r.Name)
	case r.Kind != kindFile && r.Kind != kindDir && r.Kind != kindLink:
		return fmt.Errorf("the manifest has an unknown kind: %q", r.Kind)
	case r.Kind == kindFile && (r.Size < 0 || len(r.SHA256) != 64):
		return errors.New("the manifest has a file without its size and hash: " + string(r.Name))
	}
	return nil
}

// validName is fs.ValidPath for names that need not be UTF-8.
func validName(s string) bool {
	return fs.ValidPath(strings.ToValidUTF8(s, "?")) && !strings.ContainsRune(s, 0)
}

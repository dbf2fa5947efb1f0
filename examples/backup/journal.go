package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// entry is a line of the journal: how far a file has been read. The journal is
// what an interrupted run leaves to the next one, along with the parts.
type entry struct {
	ID     string `json:"id"` // see identity
	Offset int64  `json:"offset"`
	SHA256 string `json:"sha256"` // of the bytes before Offset
	// Done is set when the file was complete.
	Done *record `json:"done,omitempty"`
}

// identity is the name of the part of a file: another size or time is another
// part.
func identity(r record) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", r.Size, r.Time.UnixNano(), r.Name))
	return hex.EncodeToString(sum[:16])
}

// replay reads the journal. A line that a crash has cut is not there.
func (v *vault) replay() error {
	f, err := v.base.Open(v.at(journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var e entry
		if json.Unmarshal(line, &e) == nil && e.valid() {
			v.left[e.ID] = e
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (e entry) valid() bool {
	raw, err := hex.DecodeString(e.ID)
	return err == nil && len(raw) == 16 && e.Offset >= 0 && (e.Done == nil || e.Done.check() == nil)
}

// note adds to the journal how far a file has been read.
func (v *vault) note(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live[e.ID] = e
	if v.journal == nil {
		v.journal, err = v.base.OpenFile(v.at(journalFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return err
		}
		line = append([]byte{'\n'}, line...) // after a line that was cut
	}
	_, err = v.journal.Write(append(line, '\n'))
	return err
}

// reached returns how far an earlier run came with a file.
func (v *vault) reached(id string) (entry, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e, ok := v.live[id]; ok {
		return e, true
	}
	e, ok := v.left[id]
	return e, ok
}

// tidy keeps in the journal what this run has begun and not completed, and
// removes all other parts.
func (v *vault) tidy() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.journal != nil {
		v.journal.Close()
		v.journal = nil
	}
	var keep bytes.Buffer
	kept := map[string]bool{}
	for id, e := range v.live {
		if e.Done != nil {
			continue
		}
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		keep.Write(append(line, '\n'))
		kept[id] = true
	}
	err := error(nil)
	if len(kept) > 0 {
		err = v.replace(v.at(journalFile), keep.Bytes())
	} else if err = v.base.Remove(v.at(journalFile)); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, v.sweep(kept))
}

// sweep removes all parts but those that are to be kept.
func (v *vault) sweep(kept map[string]bool) error {
	dir, err := v.base.Open(v.at(partsDir))
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	for _, n := range names {
		if !kept[n] {
			err = errors.Join(err, v.base.Remove(filepath.Join(v.at(partsDir), n)))
		}
	}
	return err
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	"github.com/ftpnat/ftpnat"
)

// memory keeps what worked on a path in a file of the user's cache directory.
// It is advice: a file that cannot be read or written costs time and is no
// error.
type memory struct {
	file  string
	known ftpnat.MemoryMap

	mu      sync.Mutex
	changes map[ftpnat.Path]*ftpnat.Lesson // nil for what was forgotten
}

// openMemory reads what is known. It has no file if there is no cache directory.
func openMemory(cache string) *memory {
	m := &memory{changes: make(map[ftpnat.Path]*ftpnat.Lesson)}
	if cache != "" {
		m.file = filepath.Join(cache, "ftpnat", "paths.json")
		readMemory(m.file, &m.known)
	}
	return m
}

func readMemory(file string, into *ftpnat.MemoryMap) {
	if data, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(data, into)
	}
}

// Recall implements ftpnat.Memory.
func (m *memory) Recall(p ftpnat.Path) (ftpnat.Lesson, bool) { return m.known.Recall(p) }

// Learn implements ftpnat.Memory.
func (m *memory) Learn(p ftpnat.Path, l ftpnat.Lesson) {
	m.known.Learn(p, l)
	m.change(p, &l)
}

// Forget implements ftpnat.Memory.
func (m *memory) Forget(p ftpnat.Path) {
	m.known.Forget(p)
	m.change(p, nil)
}

func (m *memory) change(p ftpnat.Path, l *ftpnat.Lesson) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes[p] = l
}

// save adds what was learnt to the file, which another run may have changed in
// the meantime.
func (m *memory) save() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == "" || len(m.changes) == 0 {
		return nil
	}
	var now ftpnat.MemoryMap
	readMemory(m.file, &now)
	for p, l := range m.changes {
		if l == nil {
			now.Forget(p)
		} else {
			now.Learn(p, *l)
		}
	}
	data, err := json.MarshalIndent(&now, "", "\t")
	if err != nil {
		return err
	}
	return replaceFile(m.file, data)
}

// replaceFile writes a file that no reader sees half written. A device or a pipe
// is written to.
func replaceFile(name string, data []byte) error {
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return os.WriteFile(name, data, 0o600)
		}
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// cache keeps outcomes in a file.
type cache struct {
	path string

	mu  sync.Mutex
	all map[string]outcome // by the mutant's id
}

func openCache(path string, fresh bool) (*cache, error) {
	c := &cache{path: path, all: map[string]outcome{}}
	if fresh {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, os.MkdirAll(filepath.Dir(path), 0o700)
	} else if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &c.all); err != nil {
		return nil, fmt.Errorf("%s: %w; -fresh begins anew", path, err)
	}
	return c, nil
}

func (c *cache) get(id string) (outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.all[id]
	return o, ok
}

// put keeps an outcome. The file is replaced as a whole, so that it is complete
// whenever the run ends. Outcomes that another run has put there since are kept.
func (c *cache) put(id string, o outcome) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[id] = o
	if text, err := os.ReadFile(c.path); err == nil {
		var others map[string]outcome
		if json.Unmarshal(text, &others) == nil {
			maps.Copy(others, c.all)
			c.all = others
		}
	}
	text, err := json.MarshalIndent(c.all, "", "\t")
	if err != nil {
		return err
	}
	temp := c.path + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, c.path)
}

// testsID identifies the tests in a folder that are run.
func testsID(dir, run string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintln(h, run)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(file), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

//go:build linux

package lab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

var lazyTrees = flag.Int("lazytrees", 0, "make this `number` of fresh trees in TestLazyTrees on each server; 100 takes minutes")

// A backup's repository: folders that are made when a file for them comes, by
// several goroutines at once.
const (
	lazyFolders = 256
	lazyFiles   = 2 // in each folder, by different goroutines
	lazyWorkers = 8
)

func lazyFile(i int) string {
	folder := i % lazyFolders
	return fmt.Sprintf("data/%02x/%02x-%d", folder, folder, i/lazyFolders)
}

// TestLazyTrees fills fresh trees and sees that each file is there.
func TestLazyTrees(t *testing.T) {
	needLab(t)
	if *lazyTrees == 0 {
		t.Skip("-lazytrees is 0")
	}
	for _, kind := range servers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			l := build(t, direct, kind)
			for tree := range *lazyTrees {
				name := fmt.Sprintf("tree%d", tree)
				r := l.runFS(fsJob{Do: "lazy", MaxConns: lazyWorkers, Names: []string{name}, Timeout: 5 * time.Minute})
				t.Logf("%s: %d calls failed, %v", name, len(r.Errs), r.Elapsed)
				for i := range lazyFolders * lazyFiles {
					path := filepath.Join(l.server.Root, name, lazyFile(i))
					if got, err := os.ReadFile(path); r.Errs[lazyFile(i)] == "" && (err != nil || string(got) != lazyFile(i)) {
						t.Errorf("%s has %q, %v", path, got, err)
					}
				}
				os.RemoveAll(filepath.Join(l.server.Root, name))
			}
		})
	}
}

// lazy makes one tree.
func (job fsJob) lazy(fsys *ftpnat.FS, r *fsResult) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var order []int // the same folder comes up on two goroutines at once
	for folder := range lazyFolders {
		for file := range lazyFiles {
			order = append(order, folder+file*lazyFolders)
		}
	}
	next := make(chan int)
	for range lazyWorkers {
		wg.Go(func() {
			for i := range next {
				name := job.Names[0] + "/" + lazyFile(i)
				dir, _ := filepath.Split(name)
				err := fsys.MkdirAll(strings.TrimSuffix(dir, "/"), 0o755)
				if err == nil {
					_, err = fsys.Upload(name, strings.NewReader(lazyFile(i)))
				}
				mu.Lock()
				r.fail(lazyFile(i), err)
				mu.Unlock()
			}
		})
	}
	for _, i := range order {
		next <- i
	}
	close(next)
	wg.Wait()
}

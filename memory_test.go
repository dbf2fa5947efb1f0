package ftpnat_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// plainMemory is a Memory as anybody would write it.
type plainMemory struct {
	mu      sync.Mutex
	lessons map[ftpnat.Path]ftpnat.Lesson
	all     []ftpnat.Lesson // that were learnt
	copies  [][]ftpnat.Mode // what they avoided then
}

func (m *plainMemory) Recall(p ftpnat.Path) (ftpnat.Lesson, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lessons[p]
	return l, ok
}

func (m *plainMemory) Learn(p ftpnat.Path, l ftpnat.Lesson) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lessons[p] = l
	m.all, m.copies = append(m.all, l), append(m.copies, slices.Clone(l.Avoid))
}

func (m *plainMemory) Forget(p ftpnat.Path) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lessons, p)
}

// TestMemoryOfOthers: what a Memory was given is its own from then on.
func TestMemoryOfOthers(t *testing.T) {
	m := &plainMemory{lessons: make(map[ftpnat.Path]ftpnat.Lesson)}
	s := setup{
		dialer: func(d *ftpnat.Dialer) { d.Memory = m },
		ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "EPSV", Conn: 1, Reply: "500 no"}, {On: "PASV", Conn: 1, Reply: "500 no"}, {On: "PORT", Reply: "500 no"}, {On: "EPRT", Conn: 2, Reply: "500 no"}}
		},
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		for range 2 {
			c := w.dial()
			if err := w.fetch(c); err != nil {
				t.Error(err)
			}
			c.Close()
		}
		for i, l := range m.all {
			if !slices.Equal(l.Avoid, m.copies[i]) {
				t.Errorf("lesson %d of %d: %v became %v", i, len(m.all), m.copies[i], l.Avoid)
			}
		}
	})
}

package ftptest

// write sends bytes, or keeps them for as long as the personality says, so that
// later ones travel in the same segment. wmu is held.
func (s *session) write(raw []byte) {
	if s.p.Coalesce == 0 {
		_, _ = s.conn.Write(raw) // the reader meets the error too
		return
	}
	first := len(s.out) == 0
	s.out = append(s.out, raw...)
	if !first {
		return
	}
	ok := s.srv.start(func() {
		s.pause(s.ctx, s.p.Coalesce)
		s.flush()
	})
	if !ok {
		s.flushLocked()
	}
}

// flush sends what write has kept.
func (s *session) flush() {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.flushLocked()
}

func (s *session) flushLocked() {
	if out := s.out; len(out) > 0 && s.wire.state() == Keep {
		s.out = nil
		_, _ = s.conn.Write(out)
	}
}

// end ends the control connection in the given way, after what was said.
func (s *session) end(kind Ending) {
	if kind != Keep {
		s.flush()
	}
	s.wire.end(kind)
}

package ftptest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strconv"
)

// errQuota is returned for an upload over the server's limit.
var errQuota = errors.New("ftptest: file too large")

// moving returns a transfer with the placeholders of its replies.
func moving(s *session, verb, arg string, size int64) *transfer {
	return &transfer{verb: verb, vars: []string{
		"{arg}", arg, "{path}", s.path(arg), "{size}", strconv.FormatInt(size, 10)}}
}

func cmdRetr(s *session, arg string) {
	offset := takeRest(s)
	r, err := s.srv.Tree.open(s.path(arg))
	if err == nil && offset > r.Size() {
		err = fs.ErrInvalid
	}
	if err != nil {
		s.fail("RETR", arg, err)
		return
	}
	_, _ = r.Seek(offset, io.SeekStart) // within the file
	t := moving(s, "RETR", arg, r.Size())
	t.send = r
	if s.ascii {
		t.send = &toASCII{r: r}
	}
	t.start(s)
}

func cmdStor(s *session, arg string) {
	offset := takeRest(s)
	if s.p.Files.RestAppends && s.before == "REST" {
		offset = -1
	}
	store(s, "STOR", arg, offset)
}

func cmdAppe(s *session, arg string) {
	takeRest(s)
	store(s, "APPE", arg, -1)
}

// cmdStou stores under a name of the server's choice, the argument's if it is free.
func cmdStou(s *session, arg string) {
	name := orDefault(arg, "stou")
	for i := 1; ; i++ {
		if _, err := s.srv.Tree.Lstat(s.path(name)); err != nil {
			break
		}
		name = orDefault(arg, "stou") + "." + strconv.Itoa(i)
	}
	if s.cur.Preliminary == "" {
		// RFC 1123, 4.1.2.9: the preliminary reply names the file.
		step := *s.cur
		step.Preliminary = s.p.text("STOU", "{path}", name)
		s.cur = &step
	}
	store(s, "STOU", name, 0)
}

// store receives a file from the offset on, or at its end.
func store(s *session, verb, arg string, offset int64) {
	if s.data == nil || s.xfer != nil {
		moving(s, verb, arg, 0).start(s) // is refused, and must not touch the file
		return
	}
	name, place := storeName(s, arg, offset)
	if name == "" {
		s.say("hidden", "{arg}", arg, "{path}", hiddenName(s.path(arg)))
		return
	}
	w, err := s.srv.openStore(name, offset)
	if err != nil {
		s.fail(verb, arg, err)
		return
	}
	t := moving(s, verb, arg, 0)
	t.place = place
	t.recv = &quota{w: w, left: orDefault(s.srv.Limits.MaxFileSize, defaultMaxFileSize)}
	if s.ascii {
		t.recv = &fromASCII{w: t.recv}
	}
	t.start(s)
}

// quota bounds what is written.
type quota struct {
	w    io.Writer
	left int64
}

func (q *quota) Write(p []byte) (int, error) {
	if q.left -= int64(len(p)); q.left < 0 {
		return 0, errQuota
	}
	return q.w.Write(p)
}

// toASCII turns line feeds into the network's line ends.
type toASCII struct {
	r   io.Reader
	buf []byte
}

func (a *toASCII) Read(p []byte) (int, error) {
	if len(a.buf) == 0 {
		raw := make([]byte, len(p))
		n, err := a.r.Read(raw)
		if n == 0 {
			return 0, err
		}
		a.buf = bytes.ReplaceAll(raw[:n], []byte("\n"), []byte("\r\n"))
	}
	n := copy(p, a.buf)
	a.buf = a.buf[n:]
	return n, nil
}

// fromASCII turns the network's line ends into line feeds: it drops every CR.
type fromASCII struct{ w io.Writer }

func (a *fromASCII) Write(p []byte) (int, error) {
	if _, err := a.w.Write(bytes.ReplaceAll(p, []byte("\r"), nil)); err != nil {
		return 0, err
	}
	return len(p), nil
}

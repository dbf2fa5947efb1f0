package ftptest

import (
	"io/fs"
	"path"
	"strings"
	"time"
)

// hiddenName is where HideStores keeps a file until it is whole.
func hiddenName(name string) string { return path.Join(path.Dir(name), ".in."+path.Base(name)+".") }

// storeName returns where an upload is written to, and what is to be done with
// that at its end; no name where somebody else is at it.
func (s *session) storeName(arg string, offset int64) (string, func(whole bool)) {
	name := s.path(strings.NewReplacer(s.p.StoreAs...).Replace(arg))
	if offset != 0 || !s.p.HideStores && s.p.WriteBehind == 0 {
		return name, nil
	}
	tree, hidden := s.srv.Tree, hiddenName(name)
	if info, err := tree.Stat(name); err == nil && info.IsDir() {
		return name, nil // is refused
	}
	if _, err := tree.Lstat(hidden); err == nil {
		return "", nil
	}
	return hidden, func(whole bool) {
		if !whole {
			_ = tree.Remove(hidden)
			return
		}
		if s.p.WriteBehind == 0 {
			_ = tree.Rename(hidden, name)
			return
		}
		s.srv.start(func() {
			s.pause(s.srv.ctx, s.p.WriteBehind)
			_ = tree.Rename(hidden, name)
		})
	}
}

// openStore opens a file for an upload. An offset beyond its end is what the
// personality makes of it.
func (s *session) openStore(name string, offset int64) (*treeWriter, error) {
	tree := s.srv.Tree
	if !s.p.Holes && !s.p.RestartClamp || offset <= 0 {
		return tree.openWrite(name, offset, s.srv.Discard)
	}
	info, err := tree.Stat(name)
	size := info.Size()
	switch {
	case err != nil:
		size = 0
	case info.IsDir():
		return nil, fs.ErrExist
	case offset <= size:
		return tree.openWrite(name, offset, s.srv.Discard)
	}
	if s.p.RestartClamp {
		offset = -1
	} else if w, err := tree.openWrite(name, -1, s.srv.Discard); err != nil {
		return nil, err
	} else if _, err := w.Write(make([]byte, offset-size)); err != nil {
		return nil, err
	}
	return tree.openWrite(name, offset, s.srv.Discard)
}

// FritzBox returns the personality of a home router with a disk: LIST ignores its
// argument, and there is little else.
func FritzBox() Personality {
	p := VSFTPD()
	p.Name = "Fritz!Box"
	p.Replies["greeting"], p.Replies["list.end"] = "220 FRITZ!Box7590 FTP server ready.", "226 Transfer complete."
	p.Features = []string{"MDTM", "REST STREAM", "SIZE", "UTF8"}
	p.NoListArg, p.EmptyMissing, p.Linger = true, false, false
	return p
}

// DropBox returns the personality of a server that takes files and tells nothing
// of them.
func DropBox() Personality {
	p := VSFTPD()
	p.Name = "drop box"
	p.Denied = []string{"RETR", "LIST", "NLST", "SIZE", "MDTM", "DELE", "RNFR", "APPE", "STAT"}
	return p
}

// BlindBox returns the personality of a server whose directories may not be listed
// and whose files may be read.
func BlindBox() Personality {
	p := VSFTPD()
	p.Name = "no listings"
	p.Hide = []string{"*"}
	return p
}

// HiddenStores returns the personality of ProFTPD with HiddenStores on.
func HiddenStores() Personality {
	p := ProFTPD()
	p.Name, p.HideStores = "HiddenStores", true
	return p
}

// WriteBehind returns the personality of a gateway to an object store: a file is
// under its name some time after it was taken.
func WriteBehind(d time.Duration) Personality {
	p := Plain()
	p.Name, p.WriteBehind = "write-behind", d
	return p
}

package ftpmodel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
	"time"
)

// op is a kind of operation; read checks by itself what it gets.
type op struct {
	name   string
	read   func(*worker) error
	change func(*worker) change
}

// ops are all kinds, the common ones more than once.
var ops = []op{
	{name: "ReadFile", read: (*worker).readFile}, {name: "ReadFile", read: (*worker).readFile},
	{name: "Read", read: (*worker).readPieces}, {name: "Read", read: (*worker).readPieces},
	{name: "ReadAt", read: (*worker).readAt},
	{name: "WriteTo", read: (*worker).writeTo},
	{name: "ReadDir", read: (*worker).readDir}, {name: "ReadDir", read: (*worker).readDir},
	{name: "Stat", read: (*worker).stat},
	{name: "WalkDir", read: (*worker).walk},
	{name: "Fetch", read: (*worker).fetch},
	{name: "WriteFile", change: (*worker).writeFile}, {name: "WriteFile", change: (*worker).writeFile},
	{name: "Create", change: (*worker).create},
	{name: "Append", change: (*worker).append}, {name: "Append", change: (*worker).append},
	{name: "Upload", change: (*worker).upload}, {name: "Upload", change: (*worker).upload},
	{name: "Rename", change: (*worker).rename},
	{name: "Remove", change: (*worker).remove},
	{name: "RemoveAll", change: (*worker).removeAll},
	{name: "Mkdir", change: (*worker).mkdir}, {name: "Mkdir", change: (*worker).mkdir},
	{name: "CopyFS", change: (*worker).copyFS},
}

// is compares what was read with the model.
func (w *worker) is(rel string, got []byte) {
	e, ok := w.p.files[rel]
	if !ok || e.dir || e.data != string(got) {
		w.wrong("read %s, want %s", entry{data: string(got)}.String(true, e.data), e.String(ok, string(got)))
	}
}

func (w *worker) readFile() error {
	rel := w.there()
	w.what = "ReadFile " + rel
	got, err := w.fsys.ReadFile(w.at(rel))
	if err == nil {
		w.is(rel, got)
	}
	return w.missing(rel, err)
}

// open opens a file that is there, or nothing.
func (w *worker) open(what string) (rel string, f fs.File, err error) {
	rel = w.there()
	w.what = what + " " + rel
	f, err = w.fsys.Open(w.at(rel))
	return rel, f, w.missing(rel, err)
}

func (w *worker) readPieces() error {
	rel, f, err := w.open("Read")
	if err != nil {
		return err
	}
	defer f.Close()
	want := w.p.files[rel].data
	at := int64(0)
	for {
		p := make([]byte, 1+w.r.IntN(20_000))
		n, err := f.Read(p)
		if end := at + int64(n); end > int64(len(want)) || string(p[:n]) != want[at:end] {
			w.wrong("other bytes than those from %d on", at)
			return err
		}
		at += int64(n)
		switch {
		case err == io.EOF && at != int64(len(want)):
			w.wrong("io.EOF at %d of %d", at, len(want))
			return nil
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if w.r.IntN(8) == 0 && len(want) > 0 {
			if at, err = f.(io.Seeker).Seek(w.r.Int64N(int64(len(want))), io.SeekStart); err != nil {
				return err
			}
		}
		if w.r.IntN(4) == 0 {
			time.Sleep(time.Duration(w.r.IntN(20)) * time.Millisecond)
		}
	}
}

func (w *worker) readAt() error {
	rel, f, err := w.open("ReadAt")
	if err != nil {
		return err
	}
	defer f.Close()
	want := w.p.files[rel].data
	for range 1 + w.r.IntN(4) {
		off := w.r.IntN(len(want) + 1)
		p := make([]byte, w.r.IntN(10_000))
		n, err := f.(io.ReaderAt).ReadAt(p, int64(off))
		if off+n > len(want) || string(p[:n]) != want[off:off+n] {
			w.wrong("other bytes than those from %d on", off)
			return err
		}
		switch {
		case err == io.EOF && off+n != len(want):
			w.wrong("io.EOF at %d of %d", off+n, len(want))
		case err == nil && n != len(p):
			w.wrong("%d of %d bytes, and nil", n, len(p))
		case err != nil && err != io.EOF:
			return err
		}
	}
	return nil
}

func (w *worker) writeTo() error {
	rel, f, err := w.open("WriteTo")
	if err != nil {
		return err
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := f.(io.WriterTo).WriteTo(&b); err != nil {
		return err
	}
	w.is(rel, b.Bytes())
	return nil
}

// names returns what is in a directory of the model, sorted.
func (s state) names(dir string) (list []string) {
	for name := range s.below(dir) {
		if !strings.Contains(name, "/") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (w *worker) readDir() error {
	rel := "."
	if d := fmt.Sprintf("s%d", w.r.IntN(4)); w.p.files[d].dir {
		rel = d
	}
	w.what = "ReadDir " + rel
	list, err := w.fsys.ReadDir(w.at(rel))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			w.wrong("%v, and it is there", err)
		}
		return err
	}
	w.listed(w.p.files.below(rel), list)
	return nil
}

// listed compares a listing with the model.
func (w *worker) listed(want state, list []fs.DirEntry) {
	var got []string
	for _, d := range list {
		if !own.MatchString(d.Name()) {
			continue
		}
		got = append(got, d.Name())
		e := want[d.Name()]
		if d.IsDir() != e.dir {
			w.wrong("%s: a directory %v", d.Name(), d.IsDir())
		}
		if info, err := d.Info(); err == nil && !e.dir && info.Size() != int64(len(e.data)) {
			w.wrong("%s has %d bytes in the listing, want %d", d.Name(), info.Size(), len(e.data))
		}
	}
	if names := want.names("."); !slices.Equal(got, names) {
		w.wrong("listed %q, want %q", got, names)
	}
}

func (w *worker) stat() error {
	rel := w.there()
	w.what = "Stat " + rel
	info, err := w.fsys.Stat(w.at(rel))
	if err != nil {
		return w.missing(rel, err)
	}
	e, ok := w.p.files[rel]
	if !ok || info.IsDir() != e.dir || !e.dir && info.Size() != int64(len(e.data)) {
		w.wrong("%d bytes, a directory %v; want %s", info.Size(), info.IsDir(), e.String(ok, ""))
	}
	return nil
}

func (w *worker) walk() error {
	w.what = "WalkDir"
	var got []string
	err := fs.WalkDir(w.fsys, w.p.name, func(name string, d fs.DirEntry, err error) error {
		if err == nil && own.MatchString(d.Name()) {
			got = append(got, strings.TrimPrefix(name, w.p.name+"/"))
		}
		return err
	})
	if err != nil {
		return err
	}
	want := slices.Sorted(maps.Keys(w.p.files))
	if slices.Sort(got); !slices.Equal(got, want) {
		w.wrong("walked %q, want %q", got, want)
	}
	return nil
}

func (w *worker) fetch() error {
	w.what = "Fetch"
	dst := filepath.Join(w.Local, fmt.Sprintf("%d-%d", w.id, w.nth))
	defer os.RemoveAll(dst)
	if err := w.fsys.Fetch(dst, w.p.name); err != nil {
		return err
	}
	got, _, err := (&run{Config: Config{Truth: os.DirFS(dst)}}).look(".")
	if err != nil {
		w.wrong("%v", err)
	} else if !maps.Equal(got, w.p.files) {
		w.wrong("fetched%s", differences(got, w.p.files))
	}
	return nil
}

// written is a change of one file's content, where an error leaves a part.
func (w *worker) written(rel string, data []byte, call func() error) change {
	return change{
		call: call,
		then: w.p.files.with(rel, string(data)),
		may: func(name string, now entry, there bool) bool {
			if name != rel || now.dir {
				return false
			}
			return !there || isPrefix(now.data, data)
		},
	}
}

func (w *worker) writeFile() change {
	rel, data := w.name(), w.data()
	if old := w.p.files[rel].data; w.r.IntN(4) == 0 && old != "" {
		data = payload(w.r, len(old)) // the size proves nothing then
	}
	w.what = fmt.Sprintf("WriteFile %s, %d bytes", rel, len(data))
	return w.written(rel, data, func() error { return w.fsys.WriteFile(w.at(rel), data, 0o666) })
}

// pieces writes data to f and closes it.
func (w *worker) pieces(f io.WriteCloser, data []byte) error {
	var err error
	for len(data) > 0 && err == nil {
		n := min(len(data), 1+w.r.IntN(40_000))
		_, err = f.Write(data[:n])
		data = data[n:]
		if w.r.IntN(4) == 0 {
			time.Sleep(time.Duration(w.r.IntN(20)) * time.Millisecond)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (w *worker) create() change {
	rel, data := w.name(), w.data()
	w.what = fmt.Sprintf("Create %s, %d bytes", rel, len(data))
	return w.written(rel, data, func() error {
		f, err := w.fsys.Create(w.at(rel))
		if err != nil {
			return err
		}
		return w.pieces(f, data)
	})
}

func (w *worker) append() change {
	rel, data := w.there(), w.data()
	w.what = fmt.Sprintf("Append %s, %d bytes", rel, len(data))
	base, was := w.p.files[rel]
	c := w.written(rel, append([]byte(base.data), data...), func() error {
		f, err := w.fsys.Append(w.at(rel))
		if err != nil {
			return err
		}
		return w.pieces(f, data)
	})
	c.may = func(name string, now entry, there bool) bool {
		return name == rel && (there || !was) && strings.HasPrefix(now.data, base.data) // what was there stays
	}
	return c
}

func (w *worker) upload() change {
	rel, data := w.name(), w.data()
	w.what = fmt.Sprintf("Upload %s, %d bytes", rel, len(data))
	return change{
		call: func() error {
			_, err := w.fsys.Upload(w.at(rel), bytes.NewReader(data))
			return err
		},
		then: w.p.files.with(rel, string(data)),
	}
}

func (w *worker) rename() change {
	from, to := w.there(), w.name()
	w.what = "Rename " + from + " " + to
	e, ok := w.p.files[from]
	then := w.p.files
	if ok && from != to {
		then = then.without(from).with(to, e.data)
	}
	return change{then: then, call: func() error {
		return w.missing(from, w.fsys.Rename(w.at(from), w.at(to)))
	}}
}

func (w *worker) remove() change {
	rel := w.there()
	w.what = "Remove " + rel
	_, there := w.p.files[rel]
	return change{then: w.p.files.without(rel), call: func() error {
		err := w.fsys.Remove(w.at(rel))
		if err == nil && !there {
			w.wrong("nil, and it was not there")
		}
		return err
	}}
}

func (w *worker) removeAll() change {
	rel := fmt.Sprintf("s%d", w.r.IntN(4))
	w.what = "RemoveAll " + rel
	return change{
		then: w.p.files.without(rel),
		call: func() error { return w.fsys.RemoveAll(w.at(rel)) },
	}
}

func (w *worker) mkdir() change {
	rel := fmt.Sprintf("s%d", w.r.IntN(4))
	w.what = "Mkdir " + rel
	_, there := w.p.files[rel]
	then := w.p.files.clone()
	then[rel] = entry{dir: true}
	return change{then: then, call: func() error {
		err := w.fsys.Mkdir(w.at(rel), 0o777)
		if err == nil && there {
			w.wrong("nil, and it was there")
		}
		return err
	}}
}

func (w *worker) copyFS() change {
	rel := fmt.Sprintf("s%d", w.r.IntN(4))
	w.what = "CopyFS " + rel
	src, then := make(fstest.MapFS), w.p.files.clone()
	then[rel] = entry{dir: true}
	clash := false
	for range 1 + w.r.IntN(3) {
		name, data := fmt.Sprintf("f%d", w.r.IntN(6)), w.data()
		src[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	for name, f := range src {
		_, there := w.p.files[rel+"/"+name]
		clash = clash || there
		then[rel+"/"+name] = entry{data: string(f.Data)}
	}
	before := w.p.files
	return change{then: then, call: func() error {
		err := w.fsys.CopyFS(w.at(rel), src)
		if err == nil && clash {
			w.wrong("nil, and a file was there")
		}
		return err
	}, may: func(name string, now entry, there bool) bool {
		f, ok := src[strings.TrimPrefix(name, rel+"/")]
		_, was := before[name]
		return ok && !was && !now.dir && (!there || isPrefix(now.data, f.Data))
	}}
}

package main

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"
)

// tarFormat is a tar file in the PAX format.
type tarFormat struct{}

func (tarFormat) scan(f *os.File, fn func(member) error) error {
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		open := func() (io.ReadCloser, error) { return io.NopCloser(r), nil }
		if err := fn(member{h.Name, h.Size, open, h}); err != nil {
			return err
		}
	}
}

func (tarFormat) create(w io.Writer) packer { return tarPacker{tar.NewWriter(w)} }

type tarPacker struct{ *tar.Writer }

func (p tarPacker) add(r record, content io.Reader) error {
	h := &tar.Header{Format: tar.FormatPAX, Typeflag: tar.TypeReg, Name: string(r.Name), Size: r.Size, Mode: 0o644, ModTime: r.Time}
	switch r.Kind {
	case kindDir:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, h.Name+"/", 0o755
	case kindLink:
		if r.Target == "" {
			return nil // the manifest has all that is known of it
		}
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, string(r.Target), 0o777
	}
	return p.write(h, content)
}

func (p tarPacker) copy(m member) error {
	content, err := m.open()
	if err != nil {
		return err
	}
	return p.write(m.raw.(*tar.Header), content)
}

func (p tarPacker) write(h *tar.Header, content io.Reader) error {
	if err := p.WriteHeader(h); err != nil || content == nil {
		return err
	}
	n, err := io.Copy(p.Writer, content)
	if err == nil && n != h.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// zipFormat is a zip file.
type zipFormat struct{}

func (zipFormat) scan(f *os.File, fn func(member) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // nothing is extracted
		return err
	}
	for _, file := range r.File {
		if !file.Mode().IsRegular() {
			continue
		}
		if err := fn(member{file.Name, int64(file.UncompressedSize64), file.Open, file}); err != nil {
			return err
		}
	}
	return nil
}

func (zipFormat) create(w io.Writer) packer { return zipPacker{zip.NewWriter(w)} }

type zipPacker struct{ *zip.Writer }

func (p zipPacker) add(r record, content io.Reader) error {
	h := &zip.FileHeader{Name: string(r.Name), Method: zip.Deflate, Modified: r.Time, NonUTF8: !utf8.ValidString(string(r.Name))}
	h.SetMode(0o644)
	switch r.Kind {
	case kindDir:
		h.Name += "/"
		h.SetMode(fs.ModeDir | 0o755)
	case kindLink:
		if r.Target == "" {
			return nil // the manifest has all that is known of it
		}
		h.SetMode(fs.ModeSymlink | 0o777)
	}
	w, err := p.CreateHeader(h)
	switch {
	case err != nil:
		return err
	case r.Kind == kindLink:
		_, err = io.WriteString(w, string(r.Target))
	case content != nil:
		_, err = io.Copy(w, content)
	}
	return err
}

// copy copies the compressed bytes as they are.
func (p zipPacker) copy(m member) error { return p.Copy(m.raw.(*zip.File)) }

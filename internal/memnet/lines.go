package memnet

import "bytes"

// maxLine is how much of a line a box remembers; the rest of it is ignored.
const maxLine = 4 << 10

// lineReader finds the lines of a stream that comes in segments.
type lineReader struct{ partial []byte }

// next calls line for each line that ends in data, without its line end, until line returns false.
func (r *lineReader) next(data []byte, line func([]byte) bool) {
	for {
		part, rest, ended := bytes.Cut(data, []byte{'\n'})
		r.partial = append(r.partial, part[:min(len(part), maxLine-len(r.partial))]...)
		if !ended {
			return
		}
		whole := bytes.TrimSuffix(r.partial, []byte{'\r'})
		r.partial = r.partial[:0]
		if !line(whole) {
			return
		}
		data = rest
	}
}

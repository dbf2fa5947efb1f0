package blob

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat"
	"gocloud.dev/blob/driver"
)

// defaultPage is the number of objects of a page.
const defaultPage = 1000

// item is an entry of a directory.
type item struct {
	key   string // with a slash at its end if it is a directory
	name  string // of the file
	entry fs.DirEntry
}

func (i item) isDir() bool { return i.entry.IsDir() }

// cursor is a walk over the files below a directory, in the order of their keys. It
// lists a directory when it comes to it.
type cursor struct {
	token string // of the page that comes next
	opts  driver.ListOptions
	stack [][]item           // what is left of each directory, the innermost last
	last  string             // the last key that was listed as a directory
	ahead *driver.ListObject // the first of the next page; nil if it is not known
}

// ListPaged lists blobs. The walk behind a list is kept between pages, so that a
// list of many pages lists each directory once; with a token of another list it
// begins anew at that place.
//
// A directory of the server is a result, with the delimiter "/", if there is a file
// in it: finding that out costs a listing, but for Options.EmptyDirs.
func (b *bucket) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if opts.BeforeList != nil {
		if err := opts.BeforeList(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	fsys := b.fsys.WithContext(ctx)
	c, err := b.takeCursor(fsys, opts)
	if err != nil {
		return nil, err
	}
	size := opts.PageSize
	if size <= 0 {
		size = defaultPage
	}
	page := new(driver.ListPage)
	object := c.ahead
	for c.ahead = nil; ; object = nil {
		if object == nil {
			if object, err = b.next(fsys, c); err != nil {
				return nil, err
			}
		}
		if object == nil {
			return page, nil
		}
		if len(page.Objects) == size {
			c.ahead, c.token = object, page.Objects[size-1].Key
			page.NextPageToken = []byte(c.token)
			b.cursor.Store(c)
			return page, nil
		}
		page.Objects = append(page.Objects, object)
	}
}

// takeCursor returns the walk that goes on at the token of opts.
func (b *bucket) takeCursor(fsys *ftpnat.FS, opts *driver.ListOptions) (*cursor, error) {
	token := string(opts.PageToken)
	if c := b.cursor.Swap(nil); c != nil && token != "" && c.token == token && c.opts.Prefix == opts.Prefix && c.opts.Delimiter == opts.Delimiter {
		return c, nil
	}
	c := &cursor{token: token, opts: driver.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter}}
	if opts.Delimiter != "" && strings.HasSuffix(token, opts.Delimiter) && len(token) > len(opts.Prefix) {
		c.last = token
	}
	root := path.Dir(escape(opts.Prefix + "x"))
	keys := ""
	if root != "." {
		keys = keyOf(root) + "/"
	}
	return c, b.enter(fsys, c, root, keys)
}

// enter lists a directory whose keys begin with prefix.
func (b *bucket) enter(fsys *ftpnat.FS, c *cursor, dir, prefix string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return nil
	}
	if err != nil {
		return err
	}
	var items []item
	for _, entry := range entries {
		if temporary.MatchString(entry.Name()) || !b.opts.NoMetadata && strings.HasSuffix(entry.Name(), attrsExt) && !entry.IsDir() {
			continue
		}
		i := item{key: prefix + keyOf(entry.Name()), name: path.Join(dir, entry.Name()), entry: entry}
		if entry.IsDir() {
			i.key += "/"
		}
		if c.skips(i) {
			continue
		}
		items = append(items, i)
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.key, b.key) })
	slices.Reverse(items)
	c.stack = append(c.stack, items)
	return nil
}

// skips reports whether nothing of an item is to be listed.
func (c *cursor) skips(i item) bool {
	if i.isDir() {
		return !strings.HasPrefix(i.key, c.opts.Prefix) && !strings.HasPrefix(c.opts.Prefix, i.key) ||
			c.token != "" && i.key <= c.token && !strings.HasPrefix(c.token, i.key)
	}
	return !strings.HasPrefix(i.key, c.opts.Prefix) || c.token != "" && i.key <= c.token
}

// next returns the next object of a walk, or nil.
func (b *bucket) next(fsys *ftpnat.FS, c *cursor) (*driver.ListObject, error) {
	for len(c.stack) > 0 {
		items := c.stack[len(c.stack)-1]
		if len(items) == 0 {
			c.stack = c.stack[:len(c.stack)-1]
			continue
		}
		i := items[len(items)-1]
		c.stack[len(c.stack)-1] = items[:len(items)-1]
		if c.last != "" && strings.HasPrefix(i.key, c.last) {
			continue
		}
		info, err := i.info(fsys)
		if err != nil {
			return nil, err
		}
		if info == nil {
			continue
		}
		if common, ok := c.common(i.key); ok && (b.opts.EmptyDirs || !i.isDir()) {
			c.last = common
			return &driver.ListObject{Key: common, IsDir: true, AsFunc: asInfo(info)}, nil
		}
		if i.isDir() {
			if err := b.enter(fsys, c, i.name, i.key); err != nil {
				return nil, err
			}
			continue
		}
		return &driver.ListObject{Key: i.key, ModTime: info.ModTime(), Size: info.Size(), AsFunc: asInfo(info)}, nil
	}
	return nil, nil
}

// common returns a key up to the delimiter after the prefix, if it has one there.
func (c *cursor) common(key string) (string, bool) {
	if c.opts.Delimiter == "" || !strings.HasPrefix(key, c.opts.Prefix) {
		return "", false
	}
	rest := key[len(c.opts.Prefix):]
	n := strings.Index(rest, c.opts.Delimiter)
	if n < 0 {
		return "", false
	}
	return key[:len(c.opts.Prefix)+n+len(c.opts.Delimiter)], true
}

// info describes an item, or returns nil if it is neither a file nor a directory,
// or has gone. A symbolic link is the file that it leads to; directories behind
// links are left out, as they may lead anywhere.
func (i item) info(fsys *ftpnat.FS) (fs.FileInfo, error) {
	info, err := i.entry.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if info, err = fsys.Stat(i.name); err == nil && info.IsDir() {
			return nil, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, nil
	}
	return info, err
}

// asInfo is the As function of what has a FileInfo.
func asInfo(info fs.FileInfo) func(any) bool {
	return func(i any) bool {
		p, ok := i.(*fs.FileInfo)
		if ok {
			*p = info
		}
		return ok
	}
}

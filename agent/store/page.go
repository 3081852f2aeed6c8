package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// The file format of bbolt, as far as it takes to tell a sound file from a damaged one without bbolt: a damaged page can
// send bbolt into endless recursion or make one of its own goroutines panic, and neither can be recovered from. All
// numbers are little-endian, as on every architecture the agent runs on.
//
//	page     id u64 | flags u16 | count u16 | overflow u32 | content; page n starts at n × page size
//	meta     magic u32 | version u32 | page size u32 | flags u32 | root u64 | sequence u64 | freelist u64 | end u64 | txid u64 | checksum u64
//	branch   count × {pos u32 | key size u32 | child u64}, then keys; pos counts from the element
//	leaf     count × {flags u32 | pos u32 | key size u32 | value size u32}, then keys and values
//	bucket   as a leaf's value: root u64 | sequence u64; root 0 = a leaf page follows in the value itself
//	freelist count × u64; with a count of 65535 the true count comes first
const (
	pageHeader   = 16
	elementSize  = 16
	metaSize     = 64
	bucketHeader = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
	elementPlain = 0
	elementSub   = 1 // the value is a bucket

	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	noFreelist   = ^uint64(0)
	maxPageSize  = 1 << 24
	maxTreeDepth = 32
)

var le = binary.LittleEndian

// dbFile reads a database page by page.
type dbFile struct {
	r     io.ReaderAt
	size  int64
	metas []meta // the valid ones, newest first
}

type meta struct {
	pageSize            int64
	root, freelist, end uint64
	txid                uint64
}

// openPages reads the two meta pages. Without a valid one nothing in the file can be found.
func openPages(r io.ReaderAt, size int64) (*dbFile, error) {
	f := &dbFile{r: r, size: size}
	if m, ok := f.readMeta(0); ok {
		f.metas = append(f.metas, m)
		if m, ok := f.readMeta(m.pageSize); ok {
			f.metas = append(f.metas, m)
		}
	} else {
		for at := int64(1024); at <= maxPageSize && at < size; at *= 2 {
			if m, ok := f.readMeta(at); ok {
				f.metas = append(f.metas, m)
				break
			}
		}
	}
	if len(f.metas) == 0 {
		return nil, errors.New("no valid meta page: this is not a bbolt file, or its beginning is lost")
	}
	slices.SortFunc(f.metas, func(a, b meta) int {
		if a.txid > b.txid {
			return -1
		}
		return 1
	})
	return f, nil
}

func (f *dbFile) readMeta(at int64) (meta, bool) {
	var page [pageHeader + metaSize]byte
	if _, err := f.r.ReadAt(page[:], at); err != nil {
		return meta{}, false
	}
	b := page[pageHeader:]
	m := meta{pageSize: int64(le.Uint32(b[8:])), root: le.Uint64(b[16:]), freelist: le.Uint64(b[32:]), end: le.Uint64(b[40:]), txid: le.Uint64(b[48:])}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	sound := le.Uint32(b) == metaMagic && le.Uint32(b[4:]) == metaVersion && le.Uint64(b[56:]) == sum.Sum64() &&
		m.pageSize >= 1024 && m.pageSize <= maxPageSize && (at == 0 || at == m.pageSize)
	return m, sound
}

// check walks the whole file as of the newest meta page and reports the first thing that is wrong.
func (f *dbFile) check() error {
	w := f.walk(f.metas[0], nil)
	if pages := uint64(f.size / w.meta.pageSize); w.meta.end > pages {
		w.problem("the file ends at page %d of %d", pages, w.meta.end)
	}
	w.freelist()
	if len(w.problems) > 0 {
		return w.problems[0]
	}
	return nil
}

// walk visits every record below m; the name of a bucket inside another one starts with the outer name and a zero byte. It goes on after damage and collects what was wrong.
func (f *dbFile) walk(m meta, visit func(bucket, key, value []byte)) *walker {
	w := &walker{file: f, meta: m, used: map[uint64]bool{}, visit: visit}
	w.tree(nil, m.root, 0, nil, nil)
	return w
}

type walker struct {
	file     *dbFile
	meta     meta
	used     map[uint64]bool
	visit    func(bucket, key, value []byte)
	problems []error
}

// maxProblems is enough to see what kind of damage it is.
const maxProblems = 20

func (w *walker) problem(format string, args ...any) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, fmt.Errorf(format, args...))
	}
}

// page reads page id with its overflow pages and claims them.
func (w *walker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.end {
		return nil, fmt.Errorf("page %d is outside the file", id)
	}
	at := int64(id) * w.meta.pageSize
	var header [pageHeader]byte
	if at < 0 || at+w.meta.pageSize > w.file.size {
		return nil, fmt.Errorf("page %d is behind the end of the file", id)
	}
	if _, err := w.file.r.ReadAt(header[:], at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if own := le.Uint64(header[:]); own != id {
		return nil, fmt.Errorf("page %d says it is page %d", id, own)
	}
	pages := uint64(le.Uint32(header[12:])) + 1
	length := int64(pages) * w.meta.pageSize
	if pages > w.meta.end-id || at+length > w.file.size {
		return nil, fmt.Errorf("page %d is too long", id)
	}
	for i := id; i < id+pages; i++ {
		if w.used[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.used[i] = true
	}
	content := make([]byte, length)
	if _, err := w.file.r.ReadAt(content, at); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return content, nil
}

// tree walks the pages below id. Their keys lie in [from, to); nil bounds are open. bucket is nil in the root bucket.
func (w *walker) tree(bucket []byte, id uint64, depth int, from, to []byte) {
	if depth > maxTreeDepth {
		w.problem("page %d is too deep in the tree", id)
		return
	}
	page, err := w.page(id)
	if err != nil {
		w.problem("%w", err)
		return
	}
	switch flags := le.Uint16(page[8:]); flags {
	case flagLeaf:
		w.leaf(bucket, id, page, depth, from, to)
	case flagBranch:
		elements := w.elements(id, page, from, to)
		for i, e := range elements {
			next := to
			if i+1 < len(elements) {
				next = elements[i+1].key
			}
			w.tree(bucket, e.child, depth+1, e.key, next)
		}
	default:
		w.problem("page %d has flags %#x in place of a branch or leaf", id, flags)
	}
}

// element of a branch or leaf page.
type element struct {
	flags      uint32
	child      uint64
	key, value []byte
}

// elements lists the sound elements of a page in order. A page other than the first of a tree begins with the key that
// leads to it: bbolt finds the page's entry in its parent by that key.
func (w *walker) elements(id uint64, page []byte, from, to []byte) (out []element) {
	branch := le.Uint16(page[8:]) == flagBranch
	count := int(le.Uint16(page[10:]))
	if pageHeader+count*elementSize > len(page) {
		w.problem("page %d cannot hold %d elements", id, count)
		count = (len(page) - pageHeader) / elementSize
	}
	previous, dataEnd := from, uint64(pageHeader+count*elementSize)
	for i := range count {
		at := pageHeader + i*elementSize
		b := page[at:]
		var e element
		var pos, keySize, valueSize uint64
		if branch {
			pos, keySize, e.child = uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint64(b[8:])
		} else {
			e.flags, pos, keySize, valueSize = le.Uint32(b), uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:])), uint64(le.Uint32(b[12:]))
		}
		start := uint64(at) + pos
		if keySize == 0 || keySize > bolt.MaxKeySize || start < dataEnd || start+keySize+valueSize > uint64(len(page)) {
			w.problem("element %d of page %d lies outside its place", i, id)
			continue
		}
		dataEnd = start + keySize + valueSize
		e.key, e.value = page[start:start+keySize], page[start+keySize:dataEnd]
		if i == 0 && from != nil && !bytes.Equal(e.key, from) {
			w.problem("page %d does not begin with the key that leads to it", id)
		}
		inOrder := previous == nil || bytes.Compare(e.key, previous) > 0 || (i == 0 && bytes.Equal(e.key, from))
		if !inOrder || (to != nil && bytes.Compare(e.key, to) >= 0) {
			w.problem("key of element %d of page %d is out of order", i, id)
			continue
		}
		previous = e.key
		out = append(out, e)
	}
	if count == 0 && (branch || from != nil) {
		w.problem("page %d is empty", id)
	}
	return out
}

func (w *walker) leaf(bucket []byte, id uint64, page []byte, depth int, from, to []byte) {
	elements := w.elements(id, page, from, to)
	for _, e := range elements {
		switch {
		case e.flags == elementPlain && bucket != nil:
			if w.visit != nil {
				w.visit(bucket, e.key, e.value)
			}
		case e.flags == elementSub && len(e.value) >= bucketHeader:
			name := e.key
			if bucket != nil {
				name = slices.Concat(bucket, []byte{0}, e.key) // nobody nests buckets, but it is sound
			}
			w.bucket(name, id, e.value, depth+1)
		default:
			w.problem("element %q of page %d has no place there", e.key, id)
		}
	}
}

// bucket walks a top-level bucket: a tree of its own, or a single leaf inside value when it is small.
func (w *walker) bucket(name []byte, id uint64, value []byte, depth int) {
	if root := le.Uint64(value); root != 0 {
		w.tree(name, root, depth, nil, nil)
		return
	}
	inline := value[bucketHeader:]
	if depth > maxTreeDepth || len(inline) < pageHeader || le.Uint16(inline[8:]) != flagLeaf {
		w.problem("bucket %q in page %d is no leaf", name, id)
		return
	}
	w.leaf(name, id, inline, depth, nil, nil)
}

// freelist checks that no page is both free and in use: bbolt would overwrite it.
func (w *walker) freelist() {
	if w.meta.freelist == noFreelist {
		return
	}
	page, err := w.page(w.meta.freelist)
	if err != nil {
		w.problem("list of free pages: %w", err)
		return
	}
	if flags := le.Uint16(page[8:]); flags != flagFreelist {
		w.problem("list of free pages: page %d has flags %#x", w.meta.freelist, flags)
		return
	}
	ids, count := page[pageHeader:], uint64(le.Uint16(page[10:]))
	if count == 0xFFFF {
		count, ids = le.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		w.problem("list of free pages: no room for %d entries", count)
		return
	}
	seen := make(map[uint64]bool, count)
	for i := range count {
		id := le.Uint64(ids[i*8:])
		if id < 2 || id >= w.meta.end || w.used[id] || seen[id] {
			w.problem("list of free pages: page %d cannot be free", id)
			return
		}
		seen[id] = true
	}
}

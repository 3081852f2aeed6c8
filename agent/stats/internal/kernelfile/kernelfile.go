// Package kernelfile reads the small text files in which the Linux kernel shows its counters (cgroup, proc) again and
// again at little cost: files stay open as long as there is room for open files, and nothing is allocated.
package kernelfile

import (
	"bytes"
	"strconv"
	"sync/atomic"
)

// Limits of the buffer files are read into. The largest, memory.stat and the list of interfaces, have a few KiB.
const (
	firstSize = 16 << 10
	maxSize   = 1 << 20
	// surelyWhole is the size up to which a single read has got everything: the kernel fills pages of 4 KiB with whole
	// records and no record is longer than the rest of the page.
	surelyWhole = 3 << 10
)

// Buffer is what files are read into, one after the other. The zero value is ready. Not for concurrent use.
type Buffer struct{ data []byte }

func (b *Buffer) space() []byte {
	if b.data == nil {
		b.data = make([]byte, firstSize)
	}
	return b.data
}

// Budget says how many files may be kept open. A nil Budget keeps none.
type Budget struct{ left atomic.Int64 }

// newBudget allows n open files.
func newBudget(n int) *Budget {
	b := &Budget{}
	b.left.Store(int64(n))
	return b
}

func (b *Budget) take() bool {
	if b == nil {
		return false
	}
	if b.left.Add(-1) < 0 {
		b.left.Add(1)
		return false
	}
	return true
}

func (b *Budget) giveBack() { b.left.Add(1) }

// Left is how many more files may be kept open.
func (b *Budget) Left() int { return int(b.left.Load()) }

// NextLine cuts the first line, without its end, off text. It reports false when there is none.
func NextLine(text []byte) (line, rest []byte, ok bool) {
	if len(text) == 0 {
		return nil, nil, false
	}
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, nil, true
}

// NextField cuts the first word off a line.
func NextField(line []byte) (field, rest []byte, ok bool) {
	start := 0
	for start < len(line) && (line[start] == ' ' || line[start] == '\t') {
		start++
	}
	end := start
	for end < len(line) && line[end] != ' ' && line[end] != '\t' {
		end++
	}
	return line[start:end], line[end:], end > start
}

// Uint reads a decimal number that fills the whole text but for blanks around it.
func Uint(text []byte) (uint64, bool) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	if len(text) == 20 { // may be too big
		n, err := strconv.ParseUint(string(text), 10, 64)
		return n, err == nil
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// KeyValue reads a line of a name, a blank and a number.
func KeyValue(line []byte) (name []byte, value uint64, ok bool) {
	i := bytes.IndexByte(line, ' ')
	if i <= 0 {
		return nil, 0, false
	}
	value, ok = Uint(line[i+1:])
	return line[:i], value, ok
}

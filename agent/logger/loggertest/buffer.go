// Package loggertest lets tests read what was logged.
package loggertest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer keeps everything that is written to it: set it as the Driver of logger.Options.
type Buffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

// Mark returns a function that gives what was written since, with the quotation marks inside of values as they were.
func (b *Buffer) Mark() func() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.all.Len()
	return func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.ReplaceAll(string(b.all.Bytes()[from:]), `\"`, `"`)
	}
}

// Cap is how many bytes of memory it takes.
func (b *Buffer) Cap() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Cap()
}

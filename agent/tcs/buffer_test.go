package tcs

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// takeAll empties a buffer and tells the kinds of the messages.
func takeAll(b *buffer, now time.Time) string {
	var kinds []string
	for {
		m, ok := b.take(now)
		if !ok {
			return strings.Join(kinds, " ")
		}
		kinds = append(kinds, m.kind)
	}
}

func TestBufferKeepsTheNewestMessages(t *testing.T) {
	b := newBuffer("full")
	begun := time.Unix(1000, 0)
	logged := logs.Mark()
	for i := range bufferSize + 2 {
		b.put(message{kind: fmt.Sprint(i), at: begun.Add(time.Duration(i) * time.Second)})
	}
	if n := strings.Count(logged(), "full"); n != 2 {
		t.Errorf("%d losses were logged", n)
	}
	if got := takeAll(b, begun); got != "2 3 4 5 6 7 8 9 10 11 12 13 14 15 16" {
		t.Error(got)
	}
	if got := takeAll(b, begun); got != "" {
		t.Error(got)
	}
}

func TestBufferDropsWhatTheServiceRefuses(t *testing.T) {
	b := newBuffer("full")
	begun := time.Unix(1000, 0)
	for i := range 5 {
		b.put(message{kind: fmt.Sprint(i), at: begun.Add(time.Duration(i) * time.Minute)})
	}
	if got := takeAll(b, begun.Add(7*time.Minute)); got != "2 3 4" {
		t.Error(got)
	}
	b.put(message{kind: "5", at: begun})
	b.clear()
	if got := takeAll(b, begun); got != "" {
		t.Error("after it was cleared:", got)
	}
}

package tcs

import (
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	// bufferSize is how many messages wait for a connection: those of 5 minutes.
	bufferSize = 15
	// tooOld is the age from which on the service refuses metrics.
	tooOld = 5 * time.Minute
)

// message is what one tick of the publisher has to say, as requests that are ready to be signed.
type message struct {
	kind     string
	requests [][]byte
	at       time.Time // of the measurement
}

// buffer holds messages until there is a connection. When it is full the oldest goes.
type buffer struct {
	// ready has an element when there may be messages.
	ready chan struct{}
	full  string // what is logged when one goes

	mu       sync.Mutex
	messages []message
}

func newBuffer(full string) *buffer {
	return &buffer{ready: make(chan struct{}, 1), full: full}
}

func (b *buffer) put(m message) {
	b.mu.Lock()
	dropped := len(b.messages) >= bufferSize
	if dropped {
		b.messages = append(b.messages[:0], b.messages[1:]...)
	}
	b.messages = append(b.messages, m)
	b.mu.Unlock()
	if dropped {
		logger.Error(b.full)
	}
	b.wake()
}

// wake makes the writer look; it finds nothing if there is nothing.
func (b *buffer) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take removes the oldest message that the service still takes.
func (b *buffer) take(now time.Time) (message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.messages) > 0 {
		m := b.messages[0]
		b.messages[0] = message{}
		b.messages = b.messages[1:]
		if now.Sub(m.at) <= tooOld {
			return m, true
		}
	}
	b.messages = nil
	return message{}, false
}

func (b *buffer) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = nil
}

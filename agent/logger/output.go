package logger

import (
	"io"
	"os"
	"sync"
)

// output writes records to the driver output and, when there is one, to the on-instance file.
type output struct {
	format Format
	// driverLevel and fileLevel are the lowest levels written; lowest is the lower of the two.
	driverLevel, fileLevel, lowest Level

	// mu keeps lines whole and guards what is below.
	mu     sync.Mutex
	driver io.Writer
	file   io.WriteCloser
	buf    []byte
}

func defaultOutput() *output {
	return &output{driver: os.Stdout, driverLevel: LevelInfo, fileLevel: LevelOff, lowest: LevelInfo}
}

func (o *output) write(r record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = o.format.appendLine(o.buf[:0], r)
	if r.level >= o.driverLevel {
		_, _ = o.driver.Write(o.buf)
	}
	if r.level >= o.fileLevel && o.file != nil {
		_, _ = o.file.Write(o.buf)
	}
	if cap(o.buf) > maxKeptBuffer {
		o.buf = nil
	}
}

// maxKeptBuffer bounds the line buffer kept between records; a stack dump may need 640 KiB once.
const maxKeptBuffer = 64 << 10

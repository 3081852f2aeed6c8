package logger

import (
	"io"
	"log"
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
	// fileBroken is true while the last write to file failed, so that the failure is told once.
	fileBroken bool
	buf        []byte
}

func defaultOutput() *output {
	return &output{driver: os.Stdout, driverLevel: LevelInfo, fileLevel: LevelOff, lowest: LevelInfo}
}

// Setup makes the package write as opts say and logs what was wrong with them. An on-instance file that cannot be
// opened is reported on the driver output and does not keep the agent from starting. The returned function closes the
// file; records after it go to the driver output only. Every record is handed to the operating system before the call
// that made it returns, so there is nothing to flush at exit.
//
// Setup also takes over the standard library's logger, which dependencies write to.
func Setup(opts Options) (closeFile func()) {
	o := &output{
		format:      opts.Format,
		driverLevel: opts.DriverLevel,
		fileLevel:   LevelOff,
		driver:      opts.Driver,
	}
	if o.driver == nil {
		o.driver = os.Stdout
	}
	var openErr error
	if opts.File != "" && opts.FileLevel < LevelOff {
		o.file, o.fileLevel = NewFile(opts.File, opts.Rotation), opts.FileLevel
		// An unusable path is worth knowing before the first record.
		_, openErr = o.file.Write(nil)
	}
	o.fileBroken = openErr != nil // told below
	o.lowest = min(o.driverLevel, o.fileLevel)
	current.Store(o)
	log.SetFlags(0)
	log.SetOutput(standardLog{})

	for _, p := range opts.Problems {
		write(p.Level, p.Message, p.Fields)
	}
	if openErr != nil {
		write(LevelError, "Cannot open the on-instance log file named by ECS_LOGFILE; writing to standard output only until it can be opened",
			[]Field{F("file", opts.File), Err(openErr)})
	}
	return o.closeFile
}

func (o *output) closeFile() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		_ = o.file.Close()
		o.file = nil
	}
}

// write formats r once and gives the line to each output whose level admits it. A broken file must not silence the
// driver output nor stop the agent: the first failure is told there, and the file is tried again with every record.
func (o *output) write(r record, fields []Field) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = o.format.appendLine(o.buf[:0], r, fields)
	if r.level >= o.driverLevel {
		_, _ = o.driver.Write(o.buf)
	}
	if r.level >= o.fileLevel && o.file != nil {
		_, err := o.file.Write(o.buf)
		if err != nil && !o.fileBroken {
			o.buf = o.format.appendLine(o.buf[:0], record{level: LevelError, time: r.time, msg: "Trouble with the on-instance log file"},
				[]Field{Err(err)})
			_, _ = o.driver.Write(o.buf)
		}
		o.fileBroken = err != nil
	}
	if cap(o.buf) > maxKeptBuffer {
		o.buf = nil
	}
}

// maxKeptBuffer bounds the line buffer kept between records; a stack dump needs 640 KiB once.
const maxKeptBuffer = 64 << 10

// standardLog turns lines of the standard library's logger (net/http reports failed connections there) into records.
type standardLog struct{}

func (standardLog) Write(line []byte) (int, error) {
	n := len(line)
	if n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if l := LevelWarn; Enabled(l) {
		current.Load().write(record{level: l, time: now(), msg: string(line), module: "log"}, nil)
	}
	return n, nil
}

package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// keptHours is how many logs of past hours stay.
const keptHours = 24

const hourPattern = "2006-01-02-15"

// Log is a plugin's log file, shared by all calls of the plugin that run at a time. A log that cannot be written is no
// reason to fail, and what it has to say never goes to standard output, where the caller expects the result. Its directory is
// not made: /log is a mount of the agent's container, and elsewhere nobody asked for it.
type Log struct {
	path    string
	file    *os.File
	level   int
	context string
}

var levels = []string{"DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"}

func openLog(path, defaultPath, level string) *Log {
	if path == "" {
		path = defaultPath
	}
	l := &Log{path: path, level: slices.Index(levels, strings.ToUpper(level))}
	if l.level < 0 {
		l.level = slices.Index(levels, "INFO")
	}
	l.rotate(time.Now())
	l.file, _ = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	return l
}

// With sets what every further line ends with, as key=value pairs; texts are quoted then.
func (l *Log) With(keyValues ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(keyValues); i += 2 {
		fmt.Fprintf(&b, " %s=%s", keyValues[i], keyValues[i+1])
	}
	l.context = b.String()
}

// Debug, Info, Warn and Error write one line.
func (l *Log) Debug(text string) { l.line("DEBUG", text) }
func (l *Log) Info(text string)  { l.line("INFO", text) }
func (l *Log) Warn(text string)  { l.line("WARN", text) }
func (l *Log) Error(text string) { l.line("ERROR", text) }

func (l *Log) line(level, text string) {
	if l == nil || l.file == nil || slices.Index(levels, level) < l.level {
		return
	}
	if l.context != "" {
		text = fmt.Sprintf("msg=%q%s", text, l.context)
	}
	_, _ = fmt.Fprintf(l.file, "%s [%s] %s\n", time.Now().UTC().Format(time.RFC3339), level, text)
}

func (l *Log) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}

// rotate renames the file of a past hour and removes what is too old. Of several processes one does it: the others find
// that the locked file is no longer the one under the name.
func (l *Log) rotate(now time.Time) {
	file, err := os.Open(l.path)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	stale := func() (os.FileInfo, bool) {
		info, err := os.Stat(l.path)
		return info, err == nil && info.ModTime().UTC().Format(hourPattern) < now.UTC().Format(hourPattern)
	}
	if _, is := stale(); !is {
		return
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return
	}
	mine, err := file.Stat()
	info, is := stale()
	if err != nil || !is || !os.SameFile(mine, info) {
		return
	}
	if err := os.Rename(l.path, l.path+"."+info.ModTime().UTC().Format(hourPattern)); err != nil {
		return
	}
	old, _ := filepath.Glob(l.path + ".????-??-??-??")
	slices.Sort(old)
	for _, path := range old[:max(0, len(old)-keptHours)] {
		_ = os.Remove(path)
	}
}

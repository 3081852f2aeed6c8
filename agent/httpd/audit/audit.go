// Package audit writes the audit log: a line for every request for credentials and for every request that was refused
// because there were too many. Operators' scripts read it; the form of the lines is a contract.
package audit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// maxWaiting bounds the lines in memory while the disk is slow, in bytes. Lines beyond it are lost: containers must get
// their credentials all the same.
const maxWaiting = 1 << 20

const (
	formatVersion   = "2"
	credentialsPath = "/v2/credentials"
	throttled       = http.StatusTooManyRequests
)

// Log takes lines without waiting for the disk. The nil Log writes nothing.
type Log struct {
	outputs  []io.Writer
	instance string // the last two fields of a line, with the blank before them
	wake     chan struct{}

	mu      sync.Mutex
	waiting []byte
	lost    int
}

// Open gives a log that goes to a file and to stdout. The error says that the file cannot be written; then there is no
// audit log.
func Open(path string, rotation logger.Rotation, stdout io.Writer, cluster, containerInstance string) (*Log, error) {
	file := logger.NewFile(path, rotation.Always())
	if _, err := file.Write(nil); err != nil {
		return nil, fmt.Errorf("open audit log %q: %w", path, err)
	}
	return New(cluster, containerInstance, stdout, file), nil
}

// New gives a log that goes to the given outputs.
func New(cluster, containerInstance string, outputs ...io.Writer) *Log {
	return &Log{outputs: outputs, instance: " " + orDash(cluster) + " " + orDash(containerInstance), wake: make(chan struct{}, 1)}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Credentials notes a request for credentials. c are those that were handed out, nil if none.
func (l *Log) Credentials(r *http.Request, status int, c *credentials.Credentials) {
	l.entry(r, status, c)
}

// Throttled notes a request that was refused because there were too many.
func (l *Log) Throttled(r *http.Request) { l.entry(r, throttled, nil) }

func (l *Log) entry(r *http.Request, status int, c *credentials.Credentials) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > maxWaiting {
		l.lost++
		return
	}
	l.waiting = l.appendLine(l.waiting, time.Now(), r, status, c)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// appendLine writes a line. Without credentials it ends after the dash for the task and a blank: the fields about the
// role are missing.
func (l *Log) appendLine(line []byte, now time.Time, r *http.Request, status int, c *credentials.Credentials) []byte {
	path := r.URL.Path
	if strings.HasPrefix(path, credentialsPath+"/") {
		path = credentialsPath // what follows is a secret
	}
	line = now.UTC().AppendFormat(line, time.RFC3339)
	line = append(line, ' ')
	line = strconv.AppendInt(line, int64(status), 10)
	line = append(line, ' ')
	line = append(line, r.RemoteAddr...)
	line = append(line, ' ')
	line = appendQuoted(line, path)
	line = append(line, ' ')
	line = appendQuoted(line, r.UserAgent())
	line = append(line, ' ')
	if c == nil {
		return append(line, "- \n"...)
	}
	line = append(line, orDash(c.TaskARN)...)
	line = append(line, ' ')
	line = append(line, event(c.RoleType)...)
	line = append(line, " "+formatVersion...)
	line = append(line, l.instance...)
	return append(line, '\n')
}

func event(role credentials.RoleType) string {
	if role == credentials.Execution {
		return "GetCredentialsExecutionRole"
	}
	return "GetCredentials"
}

// maxText bounds the texts in a line that clients choose: they must not fill the disk.
const maxText = 1 << 10

// appendQuoted writes text in quotes. What would end the quotes or the line is escaped: clients choose these texts.
func appendQuoted(line []byte, text string) []byte {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	plain := func(r rune) bool { return r != '"' && r != '\\' && unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		line = append(line, '"')
		line = append(line, text...)
		return append(line, '"')
	}
	return strconv.AppendQuote(line, text)
}

// Run writes the lines until ctx ends; those that were taken before are written then.
func (l *Log) Run(ctx context.Context) {
	if l == nil {
		return
	}
	var spare []byte
	for {
		ended := false
		select {
		case <-l.wake:
		case <-ctx.Done():
			ended = true
		}
		spare = l.flush(spare)
		if ended {
			return
		}
	}
}

// flush writes what waits. spare is memory for what comes next; the memory just written is given back for the next time.
func (l *Log) flush(spare []byte) []byte {
	l.mu.Lock()
	lines, lost := l.waiting, l.lost
	l.waiting, l.lost = spare[:0], 0
	l.mu.Unlock()
	if lost > 0 {
		logger.Error("The audit log cannot be written fast enough; entries are lost", logger.F("entries", lost))
	}
	if len(lines) == 0 {
		return lines
	}
	for _, out := range l.outputs {
		if _, err := out.Write(lines); err != nil {
			logger.Error("Cannot write the audit log", logger.Err(err))
		}
	}
	const keep = 64 << 10
	if cap(lines) > keep {
		return nil
	}
	return lines
}

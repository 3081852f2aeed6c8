// Package logger is the agent's structured log: a message and fields, written as one line to two outputs, the driver output
// (stdout, picked up by Docker's logging driver of the agent container) and the on-instance file. Each output has a level.
//
// The package works before Setup is called: info and above go to stdout as logfmt.
//
// Field keys are the field's terms and people's queries rely on them: task, taskARN, container, containerName, runtimeID,
// error, cluster, containerInstanceARN, messageID, credentialsID, image, knownStatus, desiredStatus, status, reason,
// resource, elapsed, endpoint, dockerId, managedAgent, volume, imageID, roleType.
package logger

import (
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
)

// Field is one key and value of a record.
type Field struct {
	Key   string
	Value any
}

// F is shorthand for a Field.
func F(key string, value any) Field { return Field{Key: key, Value: value} }

// Err is F("error", err).
func Err(err error) Field { return Field{Key: "error", Value: err} }

// CredentialsID is the field credentialsID. Such an ID is the secret part of a credentials URL, so it is cut.
func CredentialsID(id string) Field {
	if len(id) > 8 {
		id = id[:8]
	}
	return Field{Key: "credentialsID", Value: id + "-REDACTED"}
}

// current is what the package functions write to; Setup replaces it.
var current atomic.Pointer[output]

func init() { current.Store(defaultOutput()) }

// Debug writes a record for developers. A record without fields carries the caller's file name as `module`.
func Debug(msg string, fields ...Field) { write(LevelDebug, msg, fields) }

// Info writes a record about normal work.
func Info(msg string, fields ...Field) { write(LevelInfo, msg, fields) }

// Warn writes a record about something an operator may want to change.
func Warn(msg string, fields ...Field) { write(LevelWarn, msg, fields) }

// Error writes a record about something that failed.
func Error(msg string, fields ...Field) { write(LevelError, msg, fields) }

// Critical writes a record about something the agent cannot go on without.
func Critical(msg string, fields ...Field) { write(LevelCritical, msg, fields) }

// Log writes a record of a level known only at run time. LevelOff writes nothing.
func Log(l Level, msg string, fields ...Field) { write(l, msg, fields) }

// Enabled reports whether a record of level l would be written anywhere. It lets a caller skip preparing costly fields.
func Enabled(l Level) bool { return l < LevelOff && l >= current.Load().lowest }

// write is called by the exported functions only: callerOf counts on the depth.
func write(l Level, msg string, fields []Field) {
	o := current.Load()
	if l >= LevelOff || l < o.lowest {
		return
	}
	r := record{level: l, time: now(), msg: msg}
	if fields == nil {
		r.module = callerOf(2)
	}
	o.write(r, fields)
}

// callerOf returns the base name of the source file skip frames above its caller.
func callerOf(skip int) string {
	_, file, _, ok := runtime.Caller(skip + 1)
	if !ok {
		return ""
	}
	return filepath.Base(file)
}

// now is the time of a record, in UTC as records show it.
func now() time.Time { return time.Now().UTC() }

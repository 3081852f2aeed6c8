package logger

import "strings"

// Level is the weight of a record. Each level includes the higher ones.
type Level int32

const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
	LevelCritical
	// LevelOff is above every record: nothing is written.
	LevelOff
)

// levelNames are the words written in a record; LevelOff never is.
var levelNames = [...]string{"debug", "info", "warn", "error", "critical", "off"}

// String returns the word written in a record, `off` for LevelOff.
func (l Level) String() string {
	if l < LevelDebug || l > LevelOff {
		return "unknown"
	}
	return levelNames[l]
}

// acceptedNames are the names ParseLevel accepts, in the spelling of the documentation.
const acceptedNames = "debug, info, warn, error, crit, none"

// ParseLevel translates a name of ECS_LOGLEVEL or -loglevel, in any case and with blanks around it.
func ParseLevel(name string) (Level, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "debug":
		return LevelDebug, true
	case "info":
		return LevelInfo, true
	case "warn":
		return LevelWarn, true
	case "error":
		return LevelError, true
	case "crit":
		return LevelCritical, true
	case "none":
		return LevelOff, true
	}
	return LevelInfo, false
}

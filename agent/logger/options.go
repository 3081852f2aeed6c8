package logger

import (
	"io"
	"math"
	"strconv"
	"strings"
)

// Options say where and what to write. The zero value writes debug and above to stdout as logfmt.
type Options struct {
	DriverLevel Level
	// FileLevel is the level of the on-instance file.
	FileLevel Level
	Format    Format
	// File is the path of the on-instance file; empty means none.
	File     string
	Rotation Rotation
	// Driver replaces stdout, for tests.
	Driver io.Writer
	// Problems found while reading the options; Setup logs them.
	Problems []Problem
}

// Problem is a record about a bad value, kept until there is a log to write it to.
type Problem struct {
	Level   Level
	Message string
	Fields  []Field
}

// LevelFlags are the values of the command line flags; empty means not given.
type LevelFlags struct {
	// Both is -loglevel and hides the other two.
	Both string
	// Driver is -loglevel-driver.
	Driver string
	// OnInstance is -loglevel-on-instance.
	OnInstance string
}

// FromEnvironment reads the options from variables (looked up with lookup) and flags; flags win over variables. A bad
// value never stops logging: the next source counts instead, and a Problem tells about it once.
func FromEnvironment(lookup func(string) (string, bool), flags LevelFlags) Options {
	e := reader{get: func(name string) string { v, _ := lookup(name); return v }}
	opts := Options{
		Format: e.format(),
		File:   e.get("ECS_LOGFILE"),
	}
	opts.DriverLevel, opts.FileLevel = e.levels(flags)
	opts.Rotation = e.rotation()
	opts.Problems = e.problems
	return opts
}

// RotationFromEnvironment reads the rotation variables alone, for files other than the agent's own log.
func RotationFromEnvironment(lookup func(string) (string, bool)) Rotation {
	e := reader{get: func(name string) string { v, _ := lookup(name); return v }}
	return e.rotation()
}

// reader reads variables and collects what is wrong with them.
type reader struct {
	get      func(string) string
	problems []Problem
}

func (e *reader) problem(l Level, msg string, fields ...Field) {
	e.problems = append(e.problems, Problem{Level: l, Message: msg, Fields: fields})
}

const (
	driverLevelNotFound   = "Driver log level mapping not found"
	instanceLevelNotFound = "Instance log level mapping not found"
)

func (e *reader) levels(flags LevelFlags) (driver, file Level) {
	general, generalKnown := e.level("ECS_LOGLEVEL", e.get("ECS_LOGLEVEL"), driverLevelNotFound)

	driver = general
	if !generalKnown {
		driver = LevelInfo
	}
	switch own, known := e.level("ECS_LOGLEVEL_ON_INSTANCE", e.get("ECS_LOGLEVEL_ON_INSTANCE"), instanceLevelNotFound); {
	case known:
		file = own
	case e.get("ECS_LOG_DRIVER") != "":
		// The agent container's log goes to a log driver of its own, which makes the file redundant.
		file = LevelOff
	default:
		file = driver
	}

	if flags.Both != "" {
		if l, known := e.level("-loglevel", flags.Both, driverLevelNotFound); known {
			return l, l
		}
		return driver, file
	}
	if l, known := e.level("-loglevel-driver", flags.Driver, driverLevelNotFound); known {
		driver = l
	}
	if l, known := e.level("-loglevel-on-instance", flags.OnInstance, instanceLevelNotFound); known {
		file = l
	}
	return driver, file
}

// level parses the value of the named variable or flag. An empty value is unknown without being a problem.
func (e *reader) level(name, value, notFound string) (l Level, known bool) {
	if strings.TrimSpace(value) == "" {
		return LevelInfo, false
	}
	l, known = ParseLevel(value)
	if !known {
		e.problem(LevelError, notFound, F("name", name), F("value", value), F("allowed", acceptedNames))
	}
	return l, known
}

func (e *reader) format() Format {
	const name = "ECS_LOG_OUTPUT_FORMAT"
	switch v := strings.ToLower(strings.TrimSpace(e.get(name))); v {
	case "json":
		return FormatJSON
	case "", "logfmt":
		return FormatLogfmt
	default:
		e.problem(LevelWarn, "Unknown log output format, using logfmt", F("name", name), F("value", v), F("allowed", "logfmt, json"))
		return FormatLogfmt
	}
}

func (e *reader) rotation() Rotation {
	r := Rotation{Type: RolloverHourly, MaxBytes: defaultMaxFileBytes, MaxFiles: defaultMaxRollCount}
	switch strings.ToLower(strings.TrimSpace(e.get("ECS_LOG_ROLLOVER_TYPE"))) {
	case "", "size":
		r.Type = RolloverSize
	case "none":
		r.Type = RolloverNone
	}

	const sizeName = "ECS_LOG_MAX_FILE_SIZE_MB"
	if v := strings.TrimSpace(e.get(sizeName)); v != "" {
		mb, err := strconv.ParseFloat(v, 64)
		bytes := math.Trunc(mb * bytesPerMB)
		if err != nil || !(bytes >= 1 && bytes < math.MaxInt64) {
			e.problem(LevelError, "Invalid maximum log file size, using the default",
				F("name", sizeName), F("value", v), F("allowed", "a number of megabytes above 0"), F("default", defaultMaxFileBytes/bytesPerMB))
		} else {
			r.MaxBytes = int64(bytes)
		}
	}

	const countName = "ECS_LOG_MAX_ROLL_COUNT"
	if v := strings.TrimSpace(e.get(countName)); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			e.problem(LevelError, "Invalid number of rotated log files, using the default",
				F("name", countName), F("value", v), F("allowed", "an integer; 0 or less keeps all"), F("default", defaultMaxRollCount))
		} else {
			r.MaxFiles = n
		}
	}
	return r
}

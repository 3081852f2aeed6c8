// Package log writes what ecs-init and the volume plugin have to say: whole sentences, to the journal (standard output)
// and to a file that is rotated hourly.
package log

import (
	"fmt"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// keptFiles is the number of rotated files that stay.
const keptFiles = 24

// Setup makes the package write records of level and above to standard output and to file. levelName is a value of
// ECS_LOGLEVEL; empty or unknown counts as info. Call the returned function before the process ends.
func Setup(file, levelName string) (closeFile func()) {
	level, known := logger.ParseLevel(levelName)
	var problems []logger.Problem
	if !known {
		level = logger.LevelInfo
		if levelName != "" {
			problems = []logger.Problem{{Level: logger.LevelError, Message: "log level mapping not found", Fields: noFields}}
		}
	}
	return logger.Setup(logger.Options{
		DriverLevel: level,
		FileLevel:   level,
		File:        file,
		Rotation:    logger.Rotation{Type: logger.RolloverHourly, MaxFiles: keptFiles},
		Problems:    problems,
	})
}

// noFields keeps the logger from adding the name of a source file to each line.
var noFields = []logger.Field{}

// Infof writes about normal work.
func Infof(format string, args ...any) { write(logger.LevelInfo, format, args) }

// Warnf writes about something an operator may want to change.
func Warnf(format string, args ...any) { write(logger.LevelWarn, format, args) }

// Errorf writes about something that failed.
func Errorf(format string, args ...any) { write(logger.LevelError, format, args) }

// Criticalf writes about something the program cannot go on without.
func Criticalf(format string, args ...any) { write(logger.LevelCritical, format, args) }

func write(level logger.Level, format string, args []any) {
	if logger.Enabled(level) {
		logger.Log(level, fmt.Sprintf(format, args...), noFields...)
	}
}

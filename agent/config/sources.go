package config

import (
	"context"
	"os"
	"runtime"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Sources is where a configuration comes from. The zero value is a host without any: no variables, no files, no metadata.
type Sources struct {
	// Lookup returns an environment variable and whether it is set. nil: none is.
	Lookup func(name string) (value string, set bool)
	// Environ lists the environment as NAME=value, to find misspelt names. nil: no such check.
	Environ []string
	// ReadFile reads the JSON file and a few files below /proc; errors are those of os.ReadFile. nil: there are no files.
	ReadFile func(path string) ([]byte, error)
	// Exists tells whether a path exists. nil: none does.
	Exists func(path string) bool
	// Metadata is the instance metadata service. nil: every call fails.
	Metadata Metadata
	// GOOS selects the platform's defaults; empty means linux.
	GOOS string
	// Log takes the warnings; nil: the agent's log.
	Log func(level logger.Level, msg string)
}

// Metadata is what the configuration asks of the EC2 instance metadata service. Calls should end within seconds by themselves.
type Metadata interface {
	// UserData returns the instance's user data as it is.
	UserData(ctx context.Context) (string, error)
	// IdentityRegion returns the region of the instance identity document.
	IdentityRegion(ctx context.Context) (string, error)
	// PlacementRegion returns placement/region.
	PlacementRegion(ctx context.Context) (string, error)
}

// Host returns the sources of the running process with the given metadata service.
func Host(metadata Metadata) Sources {
	return Sources{
		Lookup:   os.LookupEnv,
		Environ:  os.Environ(),
		ReadFile: os.ReadFile,
		Exists:   func(path string) bool { _, err := os.Stat(path); return err == nil },
		Metadata: metadata,
		GOOS:     runtime.GOOS,
	}
}

// withDefaults replaces what is nil, so that the loader need not ask.
func (s Sources) withDefaults() Sources {
	if s.Lookup == nil {
		s.Lookup = func(string) (string, bool) { return "", false }
	}
	if s.ReadFile == nil {
		s.ReadFile = func(string) ([]byte, error) { return nil, os.ErrNotExist }
	}
	if s.Exists == nil {
		s.Exists = func(string) bool { return false }
	}
	if s.Metadata == nil {
		s.Metadata = blackhole{}
	}
	if s.GOOS == "" {
		s.GOOS = "linux"
	}
	if s.Log == nil {
		s.Log = func(level logger.Level, msg string) { logger.Log(level, msg) }
	}
	return s
}

// blackhole stands in for the metadata service on hosts outside EC2.
type blackhole struct{}

type blackholeError struct{}

func (blackholeError) Error() string { return "blackholed" }

func (blackhole) UserData(context.Context) (string, error)        { return "", blackholeError{} }
func (blackhole) IdentityRegion(context.Context) (string, error)  { return "", blackholeError{} }
func (blackhole) PlacementRegion(context.Context) (string, error) { return "", blackholeError{} }

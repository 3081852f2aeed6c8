package config

import (
	"flag"
	"io"
)

// Flags is the parsed command line. Flags select a mode, the log levels, TLS verification and the metadata black hole;
// they are no part of the configuration merge.
type Flags struct {
	// License, Version, HealthCheck and ECSAttributes print something and end the program. They are evaluated in this
	// order, HealthCheck before and ECSAttributes after the agent is constructed.
	License       bool
	Version       bool
	HealthCheck   bool
	ECSAttributes bool
	// WindowsService runs as a Windows service; an error elsewhere.
	WindowsService bool

	// LogLevel sets both levels and hides the other two. Empty: not given.
	LogLevel           string
	LogLevelDriver     string
	LogLevelOnInstance string

	// InsecureSkipVerify turns the verification of TLS certificates off.
	InsecureSkipVerify bool
	// BlackholeEC2Metadata lets every instance metadata call fail.
	BlackholeEC2Metadata bool
}

// SkipVerifyWarning is logged at WARN when -k is given.
const SkipVerifyWarning = "SSL certificate verification disabled. This is not recommended."

// WindowsServiceError is what -windows-service ends with elsewhere.
const WindowsServiceError = "Windows Services are not supported on Linux"

// ParseFlags reads the arguments after the program's name. With -h or an unknown flag it writes the usage to usage and
// returns an error, flag.ErrHelp for -h; the program then ends with exit code 5.
func ParseFlags(args []string, usage io.Writer) (Flags, error) {
	var f Flags
	set := flag.NewFlagSet("Amazon ECS Agent", flag.ContinueOnError)
	set.SetOutput(usage)
	set.BoolVar(&f.License, "license", false, "print the licenses of the agent and of what it is built from")
	set.BoolVar(&f.Version, "version", false, "print the version")
	set.BoolVar(&f.HealthCheck, "healthcheck", false, "ask the running agent whether it is healthy")
	set.StringVar(&f.LogLevel, "loglevel", "", "log `level` of both outputs: debug, info, warn, error, crit or none")
	set.StringVar(&f.LogLevelDriver, "loglevel-driver", "", "log `level` of standard output; ignored with -loglevel")
	set.StringVar(&f.LogLevelOnInstance, "loglevel-on-instance", "", "log `level` of the on-instance file; ignored with -loglevel")
	set.BoolVar(&f.InsecureSkipVerify, "k", false, "do not verify TLS certificates (not recommended)")
	set.BoolVar(&f.BlackholeEC2Metadata, "blackhole-ec2-metadata", false, "let every EC2 instance metadata call fail")
	set.BoolVar(&f.ECSAttributes, "ecs-attributes", false, "print the attributes the agent registers with")
	set.BoolVar(&f.WindowsService, "windows-service", false, "run as a Windows service (Windows only)")
	if err := set.Parse(args); err != nil {
		return Flags{}, err
	}
	return f, nil
}

// Package app puts the agent together: command line, order of the start, exit codes, end.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/version"
)

// Exit codes of the process; the supervisor reads them.
const (
	exitSuccess  = 0
	exitError    = registration.CodeError    // perhaps transient: start again
	exitTerminal = registration.CodeTerminal // needs a person
	exitUpdate   = 42                        // start the staged version in its place
)

// Main runs the agent with the given command line and returns the process's exit code.
func Main(args []string) int {
	flags, err := config.ParseFlags(args, os.Stderr)
	switch {
	case err != nil:
		return exitTerminal
	case flags.License:
		return printLicense()
	case flags.Version:
		printVersion()
		return exitSuccess
	case flags.HealthCheck:
		return checkHealth()
	case flags.WindowsService && runtime.GOOS != "windows":
		fmt.Fprintln(os.Stderr, config.WindowsServiceError)
		return exitError
	}
	closeLog := logger.Setup(logger.FromEnvironment(os.LookupEnv, logger.LevelFlags{
		Both: flags.LogLevel, Driver: flags.LogLevelDriver, OnInstance: flags.LogLevelOnInstance}))
	defer closeLog()
	return runUntilSignal(flags)
}

// runUntilSignal runs the agent until it fails or is told to end. Signals count from the first step on.
func runUntilSignal(flags config.Flags) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	go func() {
		if s, ok := <-signals; ok {
			logger.Info("Agent received termination signal: " + s.String())
			cancel(errTerminated)
		}
	}()
	err := run(ctx, flags, cancel)
	switch {
	case errors.Is(context.Cause(ctx), errUpdate):
		logger.Info("Agent ends to be replaced by the staged version")
		return exitUpdate
	case err == nil, errors.Is(context.Cause(ctx), errTerminated):
		return exitSuccess
	}
	code := registration.ExitCode(err)
	logger.Critical("Agent ends with an error", logger.F("exitCode", code), logger.Err(err))
	return code
}

// Why the agent ends without an error.
var (
	errTerminated = errors.New("the agent was told to end")
	errUpdate     = errors.New("the agent is to be updated")
)

// run is the life of the agent. end ends it early, with a reason of the above.
func run(ctx context.Context, flags config.Flags, end context.CancelCauseFunc) error {
	a := &agent{flags: flags, end: end, metadata: imds.New(os.LookupEnv)}
	if flags.BlackholeEC2Metadata {
		a.metadata = imds.Blackholed()
	}
	if flags.InsecureSkipVerify {
		logger.Warn(config.SkipVerifyWarning)
	}
	logger.Info("Starting Amazon ECS Agent", logger.F("version", version.Version), logger.F("commit", version.GitShortHash))
	defer a.close()
	if err := a.construct(ctx); err != nil {
		return err
	}
	if flags.ECSAttributes {
		return a.printAttributes(ctx, os.Stdout)
	}
	return a.start(ctx)
}

// printLicense prints the license files beside the binary.
func printLicense() int {
	var texts []string
	for _, name := range []string{"LICENSE", "NOTICE", "THIRD-PARTY"} {
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "cannot print the licenses: %v\n", err)
			return exitError
		}
		texts = append(texts, string(text))
	}
	fmt.Println(strings.Join(texts, "\n"+strings.Repeat("=", 80)+"\n"))
	return exitSuccess
}

func printVersion() {
	fmt.Printf("Amazon ECS Agent:\n\tVersion: %s\n\tCommit: %s\n", version.Version, version.GitShortHash)
	if version.GitDirty {
		fmt.Println("\tDirty: true")
	}
}

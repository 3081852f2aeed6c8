// Command amazon-ecs-init prepares a host for the Amazon ECS container agent and runs the agent's container. The service
// manager calls it with one action at a time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/amazon-ecs-agent/ecs-init/action"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/release"
)

const logFile = "/var/log/ecs/ecs-init.log"

// Exit codes. `start` also ends with those of the agent: 0 and 5.
const (
	exitOK      = 0
	exitUsage   = 1
	exitFlag    = 2
	exitFailure = 255
)

// act does something on the host and says how the process ends.
type act func(ctx context.Context, h action.Host) (exitCode int, err error)

// simple is an action that ends with 0 unless it fails.
func simple(do func(ctx context.Context, h action.Host) error) act {
	return func(ctx context.Context, h action.Host) (int, error) { return exitOK, do(ctx, h) }
}

var actions = []struct {
	name, description string
	act               act
}{
	{"pre-start", "Prepare the ECS Agent for starting", simple(action.PreStart)},
	{"start", "Start the ECS Agent and wait for it to stop", action.Start},
	{"stop", "Stop the ECS Agent", simple(action.Stop)},
	{"pre-stop", "Stop the ECS Agent", simple(action.Stop)},
	{"post-stop", "Cleanup procedure for the ECS Agent", simple(action.PostStop)},
	{"reload-cache", "Reload the cached image of the ECS Agent into Docker", simple(action.ReloadCache)},
}

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr, action.ThisHost)) }

// run is the program: everything that can go wrong on the command line is found before the host is touched.
func run(args []string, stdout, stderr io.Writer, host func() action.Host) int {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { usage(stderr, args[0]) }
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitFlag
	}
	name := flags.Arg(0)
	if name == "version" {
		return version(stdout)
	}
	for _, a := range actions {
		if a.name == name {
			return perform(a.name, a.act, host())
		}
	}
	usage(stdout, args[0])
	return exitUsage
}

func perform(name string, act act, host action.Host) int {
	closeLog := log.Setup(logFile, host.Process("ECS_LOGLEVEL"))
	defer closeLog()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Infof("%s", name)
	code, err := act(ctx, host)
	if err != nil {
		log.Errorf("%v", err)
		return exitFailure
	}
	return code
}

func version(stdout io.Writer) int {
	text, ok := release.Text()
	if !ok {
		log.Errorf("failed print version info, err: Version info not set")
		return exitOK
	}
	fmt.Fprintln(stdout, text)
	return exitOK
}

func usage(w io.Writer, program string) {
	fmt.Fprintf(w, "Usage: %s ACTION\n\n Available actions:\n", program)
	for _, a := range actions {
		fmt.Fprintf(w, "  %-15s  %s\n", a.name, a.description)
	}
	fmt.Fprintln(w)
}

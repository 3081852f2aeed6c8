// Package cli is the command line of local-ecs.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Exit codes of local-ecs itself; run passes a container's on.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Env is what a command gets from its surroundings.
type Env struct {
	Out, Err io.Writer
	Getenv   func(string) string
	// Interrupts delivers Ctrl-C and SIGTERM.
	Interrupts <-chan os.Signal
}

const usage = `local-ecs: a local control plane for Amazon ECS container agents

Usage:
  local-ecs serve [flags]           serve the ECS API, ACS and TCS
  local-ecs run FILE.json [flags]   register a task definition and run it
  local-ecs ps [flags]              list tasks
  local-ecs stop TASK [flags]       stop a task, given by ARN, id or the beginning of its id
  local-ecs lab up|down             make or remove a network for awsvpc tasks
  local-ecs COMMAND --help          flags of a command

Examples:
  local-ecs serve --data-dir ~/.local-ecs &
  ECS_BACKEND_HOST=http://127.0.0.1:8100 ECS_CLUSTER=default AWS_DEFAULT_REGION=us-east-1 … amazon-ecs-agent &
  local-ecs run examples/web.json
  local-ecs run examples/batch.json --wait --logs; echo "exit code $?"
  local-ecs run examples/batch.json --wait --overrides '{"containerOverrides":[{"name":"job","command":["batch","--exit","3"]}]}'
  local-ecs ps
  local-ecs stop 5f2c
  aws ecs list-tasks --endpoint-url http://127.0.0.1:8100
`

// command runs with the arguments after its name and returns the exit code.
type command func(ctx context.Context, env *Env, args []string) (int, error)

var commands = map[string]command{"serve": serve, "run": run, "ps": ps, "stop": stop, "lab": labCommand}

var summaries = map[string]string{
	"serve": "Serve the ECS API, ACS and TCS for agents, the AWS CLI and SDKs.",
	"run":   "Register FILE.json (the input of register-task-definition) and run it.",
	"ps":    "List tasks.",
	"stop":  "Stop a task, given by ARN, id or the beginning of its id.",
	"lab":   "Make (up) or remove (down) a network for tasks of network mode awsvpc. It takes root.",
}

// errUsage marks errors that are answered with a hint at --help.
type errUsage struct{ error }

// Main runs the command in args and returns the exit code.
func Main(ctx context.Context, env *Env, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(env.Err, usage)
		return exitUsage
	}
	switch args[0] {
	case "help", "--help", "-help", "-h":
		fmt.Fprint(env.Out, usage)
		return exitOK
	}
	c, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(env.Err, "local-ecs: unknown command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	code, err := c(ctx, env, args[1:])
	switch u := (errUsage{}); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &u):
		fmt.Fprintf(env.Err, "local-ecs %s: %v (see local-ecs %s --help)\n", args[0], err, args[0])
		return exitUsage
	case err != nil:
		fmt.Fprintf(env.Err, "local-ecs %s: %v\n", args[0], err)
		if code == exitOK {
			code = exitError
		}
	}
	return code
}

// flags makes a flag set that prints its help to env.Out.
func flags(env *Env, name, arguments, examples string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(env.Out, "Usage: local-ecs %s\n\n%s\n\nFlags:\n", strings.TrimSpace(name+" "+arguments), summaries[name])
		fs.SetOutput(env.Out)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
		if examples != "" {
			fmt.Fprintf(env.Out, "\nExamples:\n%s", examples)
		}
	}
	return fs
}

// parse reads flags and positional arguments in any order.
func parse(fs *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, errUsage{err}
		}
		if fs.NArg() == 0 {
			return positional, nil
		}
		positional = append(positional, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

// exactly checks the number of positional arguments.
func exactly(positional []string, names ...string) error {
	switch {
	case len(positional) < len(names):
		return errUsage{fmt.Errorf("%s is missing", names[len(positional)])}
	case len(positional) > len(names):
		return errUsage{fmt.Errorf("unexpected argument %q", positional[len(names)])}
	}
	return nil
}

// Command local-ecs is a local control plane for Amazon ECS container agents: the ECS API, the agent communication and
// telemetry services, role credentials and an instance metadata service, in one process on one machine. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/cli"
)

func main() {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	env := &cli.Env{Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Interrupts: interrupts}
	os.Exit(cli.Main(context.Background(), env, os.Args[1:]))
}

// Command amazon-ecs-volume-plugin is the Docker volume driver for Amazon EFS and S3 Files.
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

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/volumes"
)

const logFile = "/var/log/ecs/ecs-volume-plugin.log"

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitFlag    = 2
)

const usage = `Usage: amazon-ecs-volume-plugin

Serves Docker volumes of the types efs and s3files until SIGTERM or SIGINT. The packages of ecs-init start it as the service
amazon-ecs-volume-plugin; it logs to ` + logFile + `.
`

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run is the program. It takes no arguments, but whoever asks it what it is shall not start it.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("amazon-ecs-volume-plugin", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitFlag
	}
	return serve()
}

func serve() int {
	closeLog := log.Setup(logFile, "info")
	defer closeLog()
	plugin, err := volumes.New("/", command.Exec)
	if err != nil {
		log.Criticalf("%v", err)
		return exitFailure
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := volumes.Listen(volumes.Socket, os.Getenv)
	if err != nil {
		log.Criticalf("could not listen on the plugin's socket: %v", err)
		return exitFailure
	}
	log.Infof("Serving Docker volumes on %s", listener.Addr())
	if err := plugin.Serve(ctx, listener); err != nil && !errors.Is(err, context.Canceled) {
		log.Criticalf("%v", err)
		return exitFailure
	}
	return exitOK
}

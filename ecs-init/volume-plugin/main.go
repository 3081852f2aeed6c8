// Command amazon-ecs-volume-plugin is the Docker volume driver for Amazon EFS and S3 Files.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/volumes"
)

const logFile = "/var/log/ecs/ecs-volume-plugin.log"

func main() { os.Exit(run()) }

func run() int {
	closeLog := log.Setup(logFile, "info")
	defer closeLog()
	plugin, err := volumes.New("/", command.Exec)
	if err != nil {
		log.Criticalf("%v", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := volumes.Listen(volumes.Socket, os.Getenv)
	if err != nil {
		log.Criticalf("could not listen on the plugin's socket: %v", err)
		return 1
	}
	log.Infof("Serving Docker volumes on %s", listener.Addr())
	if err := plugin.Serve(ctx, listener); err != nil && !errors.Is(err, context.Canceled) {
		log.Criticalf("%v", err)
		return 1
	}
	return 0
}

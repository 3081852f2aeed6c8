// Package dockerd connects to the Docker daemon of the host.
package dockerd

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// The daemon may be starting: its socket is not there, refuses connections or answers with an error. The pauses between
// attempts follow this list; after the last one the connection has failed.
var pauses = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second, 3 * time.Second}

// pauseJitter is the share of a pause that is added at most.
const pauseJitter = 0.2

// Connect connects to the daemon at a unix socket and agrees on the newest API version both sides know. It waits for a
// daemon that does not answer yet; one whose versions do not fit is an error at once.
func Connect(ctx context.Context, socket string) (*docker.Client, error) {
	return connect(ctx, "unix://"+socket, docker.Connect)
}

func connect(ctx context.Context, endpoint string, dial func(context.Context, string) (*docker.Client, error)) (*docker.Client, error) {
	for try := 0; ; try++ {
		client, err := dial(ctx, endpoint)
		if err == nil {
			log.Infof("Successfully created docker client with API version %s", newest(client))
			return client, nil
		}
		if try == len(pauses) || ctx.Err() != nil || !errors.Is(err, docker.ErrNoDaemon) {
			return nil, err
		}
		pause := pauses[try] + time.Duration(rand.Float64()*pauseJitter*float64(pauses[try]))
		log.Infof("Error connecting to docker, backing off for %s, error: %v", pause, err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func newest(client *docker.Client) string {
	versions := client.APIVersions()
	return versions[len(versions)-1]
}

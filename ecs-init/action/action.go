// Package action is what ecs-init does for each word on its command line. An action sets up only what it uses, so that
// cleaning up works on a host whose daemon, network or metadata service does not.
package action

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/ecs-init/agentcontainer"
	"github.com/aws/amazon-ecs-agent/ecs-init/cache"
	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/dockerd"
	"github.com/aws/amazon-ecs-agent/ecs-init/download"
	"github.com/aws/amazon-ecs-agent/ecs-init/hostnet"
	"github.com/aws/amazon-ecs-agent/ecs-init/image"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/release"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

// Docker is what the actions need of the daemon.
type Docker interface {
	agentcontainer.Docker
	image.Docker
	DefaultBridge(ctx context.Context) (string, error)
	Supports(apiVersion string) bool
}

// Host is where the actions happen.
type Host struct {
	Root    string // of the file system
	Process settings.Process
	Run     command.Run
	Connect func(ctx context.Context) (Docker, error)
	HTTP    *http.Client
}

// ThisHost is the host this process runs on.
func ThisHost() Host {
	process := settings.Process(os.Getenv)
	return Host{
		Root: "/", Process: process, Run: command.Exec, HTTP: download.NewHTTP(),
		Connect: func(ctx context.Context) (Docker, error) {
			socket, _ := process.DockerSocket()
			return dockerd.Connect(ctx, socket)
		},
	}
}

func (h Host) cache() cache.Dir { return cache.At(h.Root) }

func (h Host) images(docker Docker) image.Store { return image.Store{Docker: docker, Cache: h.cache()} }

func (h Host) agent(docker Docker) agentcontainer.Container {
	return agentcontainer.Container{Docker: docker, Situation: func() agentcontainer.Situation {
		return agentcontainer.Situation{
			Root: h.Root, Process: h.Process, Files: settings.Load(h.Root), Run: h.Run,
			TaskENI: docker.Supports("1.25"), // older daemons know no init process
		}
	}}
}

func (h Host) firewall() (hostnet.Firewall, error) {
	loopback, err := hostnet.LoopbackName()
	return hostnet.Firewall{Root: h.Root, Run: h.Run, Loopback: loopback}, err
}

// download puts the agent's image into the cache.
func (h Host) download(ctx context.Context, files settings.Files) error {
	ipv4, err := hostnet.HasIPv4DefaultRoute(h.Root)
	if err != nil {
		log.Warnf("could not find out whether this host uses IPv4, assuming it does: %v", err)
	}
	d := download.Downloader{
		Version: release.Version, Arch: runtime.GOARCH, Getenv: h.Process, Run: h.Run, HTTP: h.HTTP,
		DualStack: err == nil && !ipv4,
		Region:    func(ctx context.Context) string { return h.region(ctx, files) },
	}
	return d.Fetch(ctx, h.cache().Image())
}

const defaultRegion = "us-east-1"

// region is the configured one, else that of the instance.
func (h Host) region(ctx context.Context, files settings.Files) string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		for _, value := range []string{h.Process(name), files[name]} {
			if value = strings.TrimSpace(value); value != "" {
				return value
			}
		}
	}
	if h.Process.External() {
		log.Warnf("AWS_DEFAULT_REGION is not set, downloading from %s", defaultRegion)
		return defaultRegion
	}
	metadata := imds.New(func(name string) (string, bool) {
		value := h.Process(name)
		return value, value != ""
	})
	region, err := metadata.IdentityRegion(ctx)
	if err != nil {
		log.Warnf("could not find out the region of this instance, downloading from %s: %v", defaultRegion, err)
		return defaultRegion
	}
	return region
}

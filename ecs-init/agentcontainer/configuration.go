// Package agentcontainer describes the container of the agent, and creates, runs and stops it.
package agentcontainer

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/ecs-init/apparmor"
	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

const (
	// Name is the container's name in Docker.
	Name = "ecs-agent"
	// Image is what it is made from.
	Image = "amazon/amazon-ecs-agent:latest"
)

// Situation is everything the container's configuration depends on.
type Situation struct {
	Root    string // of the host's file system: "/"
	Process settings.Process
	Files   settings.Files
	// TaskENI is false when the Docker API is older than 1.25: there is no init process, and no task network interfaces.
	TaskENI bool
	Run     command.Run // asks the host whether it is joined to a domain
}

// Configuration gives the create request of the agent's container.
func Configuration(ctx context.Context, s Situation) (*container.Config, *container.HostConfig) {
	h := host{root: s.Root}
	system := h.system()
	env := environment(ctx, s, h, system)
	config := &container.Config{
		Image:  Image,
		Env:    envList(env),
		Labels: labels(env["ECS_AGENT_LABELS"]),
	}
	hostConfig := &container.HostConfig{
		Binds:       binds(s, h, system),
		LogConfig:   logConfig(s.Process),
		NetworkMode: "host",
		UsernsMode:  "host", // also when the daemon remaps users
		Privileged:  s.Process.Privileged(),
	}
	if !s.Process.External() {
		hostConfig.CapAdd = []string{"NET_ADMIN", "SYS_ADMIN"}
	}
	if s.TaskENI {
		init := true
		hostConfig.Init = &init
	}
	if s.Process.HostPID() {
		hostConfig.PidMode = "host"
	}
	if apparmor.Supported(s.Root, s.Process) {
		hostConfig.SecurityOpt = []string{"apparmor:" + s.Process.AppArmorProfile()}
	}
	return config, hostConfig
}

// labels reads ECS_AGENT_LABELS, a JSON object of strings.
func labels(text string) map[string]string {
	if text == "" {
		return nil
	}
	var labels map[string]string
	if err := json.Unmarshal([]byte(text), &labels); err != nil {
		log.Errorf("Could not decode ECS_AGENT_LABELS, using none: %v", err)
		return nil
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

func envList(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

package task

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// DriverFirelens is the log driver of containers whose logs go to the task's log router. Docker does not know it.
const DriverFirelens = "awsfirelens"

// OptionFirelensBuffer is the one option of DriverFirelens that is Docker's, not the log router's.
const OptionFirelensBuffer = "log-driver-buffer-limit"

// Types of log routers.
const (
	FirelensFluentd   = "fluentd"
	FirelensFluentBit = "fluentbit"
)

// LogConfig gives the log driver and its options as the task definition says; both are empty for Docker's default. The
// error says that the container's raw host config is no such thing.
func (c *Container) LogConfig() (driver string, options map[string]string, err error) {
	if c.DockerConfig.HostConfig == nil {
		return "", nil, nil
	}
	var raw struct {
		LogConfig struct {
			Type   string
			Config map[string]string
		}
	}
	if err := json.Unmarshal([]byte(*c.DockerConfig.HostConfig), &raw); err != nil {
		return "", nil, fmt.Errorf("unable to decode host config of container %s: %w", c.Name, err)
	}
	return raw.LogConfig.Type, raw.LogConfig.Config, nil
}

// RawNetworkMode is Docker's network mode as the task definition says; empty for Docker's default.
func (c *Container) RawNetworkMode() string {
	var raw struct{ NetworkMode string }
	if c.DockerConfig.HostConfig != nil {
		_ = json.Unmarshal([]byte(*c.DockerConfig.HostConfig), &raw) // what is wrong with it is told when the container is created
	}
	return raw.NetworkMode
}

// OnBridge reports whether the container is on Docker's bridge.
func (c *Container) OnBridge() bool {
	mode := c.RawNetworkMode()
	return mode == "" || mode == "bridge" || mode == "default"
}

// SendsToLogRouter reports whether the container's logs go to the task's log router.
func (c *Container) SendsToLogRouter() bool {
	driver, _, err := c.LogConfig()
	return err == nil && driver == DriverFirelens
}

// RouterVariable is the variable in which the log router finds a secret for the log options of container c.
func (t *Task) RouterVariable(c *Container, s Secret) string {
	index := 0
	for _, other := range t.Containers {
		if other.Name == c.Name {
			break
		}
		if !other.Internal() {
			index++
		}
	}
	return s.Name + "_" + strconv.Itoa(index)
}

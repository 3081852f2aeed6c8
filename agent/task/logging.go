package task

import (
	"encoding/json"
	"fmt"
)

// DriverFirelens is the log driver of containers whose logs go to the task's log router. Docker does not know it.
const DriverFirelens = "awsfirelens"

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

// SendsToLogRouter reports whether the container's logs go to the task's log router.
func (c *Container) SendsToLogRouter() bool {
	driver, _, err := c.LogConfig()
	return err == nil && driver == DriverFirelens
}

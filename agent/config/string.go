package config

import (
	"fmt"
	"strings"
)

// String returns what may be logged of the configuration, on one line. It names the settings it shows one by one, so that
// nothing secret gets in by being added to Config.
func (c *Config) String() string {
	parts := []struct {
		name  string
		value any
	}{
		{"Cluster", c.Cluster},
		{"Region", c.AWSRegion},
		{"DataDir", c.DataDir},
		{"Checkpoint", c.Checkpoint},
		{"AuthType", c.EngineAuthType},
		{"UpdatesEnabled", c.UpdatesEnabled},
		{"DisableMetrics", c.DisableMetrics},
		{"PollMetrics", c.PollMetrics},
		{"PollingMetricsWaitDuration", c.PollingMetricsWaitDuration},
		{"ReservedMem", c.ReservedMemory},
		{"TaskCleanupWaitDuration", c.TaskCleanupWaitDuration},
		{"DockerStopTimeout", c.DockerStopTimeout},
		{"ContainerStartTimeout", c.ContainerStartTimeout},
		{"ContainerCreateTimeout", c.ContainerCreateTimeout},
		{"ImagePullInactivityTimeout", c.ImagePullInactivityTimeout},
		{"ImagePullTimeout", c.ImagePullTimeout},
		{"ManifestPullTimeout", c.ManifestPullTimeout},
		{"DynamicHostPortRange", c.DynamicHostPortRange},
		{"PauseContainerImageName", c.PauseContainerImageName},
		{"PauseContainerTag", c.PauseContainerTag},
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %v", p.name, p.value)
	}
	return b.String()
}

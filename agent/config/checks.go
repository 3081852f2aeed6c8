package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"time"
)

// HealthCheckTimeout bounds -healthcheck in all: below Docker's 30 s, so that the failure is logged before Docker gives up.
const HealthCheckTimeout = 25 * time.Second

// HealthCheckURL is what -healthcheck sends a HEAD request to; any HTTP answer means healthy. The host of
// ECS_AGENT_HEALTHCHECK_HOST is inserted as it is: an IPv6 address needs its brackets.
func HealthCheckURL(lookup func(string) (string, bool)) string {
	host, _ := lookup("ECS_AGENT_HEALTHCHECK_HOST")
	return "http://" + cmp.Or(host, "localhost") + ":51678/v1/metadata"
}

// CheckDataDir tells whether state can be kept in DataDir, with stat as os.Stat. The directory is never created: starting
// with one that was not mounted would lose the state without a word. Without checkpointing there is nothing to check.
func (c *Config) CheckDataDir(stat func(string) (fs.FileInfo, error)) error {
	if !c.Checkpoint {
		return nil
	}
	info, err := stat(c.DataDir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("path %s is not a valid directory", c.DataDir)
	}
	return nil
}

// PortRange returns the first and last port of DynamicHostPortRange. In a Config that Load made there is no error.
func (c *Config) PortRange() (first, last uint16, err error) {
	if first, last, err = splitPortRange(c.DynamicHostPortRange); err != nil {
		err = fmt.Errorf("ECS_DYNAMIC_HOST_PORT_RANGE: %w", err)
	}
	return first, last, err
}

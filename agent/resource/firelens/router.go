package firelens

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Options of a router.
const (
	optionMetadata      = "enable-ecs-log-metadata"
	optionExternalType  = "config-file-type"
	optionExternalValue = "config-file-value"

	externalFromS3   = "s3"
	externalFromFile = "file"
)

// routerOf is the container of the task that the others send their logs to; nil when there is none.
func routerOf(t *task.Task) *task.Container {
	for _, c := range t.Containers {
		if c.Firelens != nil {
			return c
		}
	}
	return nil
}

// describe gives the record of a task's log router.
func (k *Craft) describe(t *task.Task, router *task.Container) (record, error) {
	rec := record{
		Cluster: k.Cluster, TaskARN: t.ARN, TaskDefinition: t.Family + ":" + t.Revision, Region: k.Region,
		FirelensConfigType: router.Firelens.Type, ExecutionCredentialsID: t.ExecutionCredentialsID,
	}
	if _, known := dialects[rec.FirelensConfigType]; !known {
		return rec, fmt.Errorf("unsupported firelens config type %s", rec.FirelensConfigType)
	}
	var err error
	if rec.ResourceDir, err = k.dir(t); err != nil {
		return rec, err
	}
	if rec.ContainersToLogOptions, err = senders(t, dialects[rec.FirelensConfigType]); err != nil {
		return rec, err
	}
	if router.Environment["AWS_EXECUTION_ENV"] == "AWS_ECS_EC2" {
		rec.EC2InstanceID = k.InstanceID()
	}
	rec.NetworkMode = networkMode(t, router)
	rec.ECSMetadataEnabled = metadataEnabled(t, router.Firelens.Options)
	rec.ExternalConfigType, rec.ExternalConfigValue, err = external(router.Firelens.Options)
	if err != nil {
		return rec, fmt.Errorf("error parsing firelens options: %w", err)
	}
	return rec, nil
}

func metadataEnabled(t *task.Task, options map[string]string) bool {
	text, given := options[optionMetadata]
	if !given {
		return true
	}
	enabled, err := strconv.ParseBool(text)
	if err != nil {
		logger.Warn("Option "+optionMetadata+" of the log router is neither true nor false; logs will not name the task",
			logger.F("taskARN", t.ARN), logger.F("value", text))
	}
	return enabled
}

// external says where the rest of the router's configuration is.
func external(options map[string]string) (kind, value string, err error) {
	kind, given := options[optionExternalType]
	if !given {
		return "", "", nil
	}
	if kind != externalFromS3 && kind != externalFromFile {
		return "", "", fmt.Errorf("invalid value %s is specified for option %s", kind, optionExternalType)
	}
	if value, given = options[optionExternalValue]; !given {
		return "", "", fmt.Errorf("option %s is specified but %s is not specified", optionExternalType, optionExternalValue)
	}
	return kind, value, nil
}

// senders gives the log options of each container that sends its logs to the router. Secrets stand there by the names of
// the variables in which the router finds them.
func senders(t *task.Task, d dialect) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, c := range t.Containers {
		driver, options, err := c.LogConfig()
		if err != nil {
			return nil, err
		}
		if driver != task.DriverFirelens {
			continue
		}
		own := maps.Clone(options)
		if own == nil {
			own = map[string]string{}
		}
		delete(own, task.OptionFirelensBuffer)
		for _, s := range c.Secrets {
			if s.ForLogDriver() {
				own[s.Name] = d.variable(t.RouterVariable(c, s))
			}
		}
		all[c.Name] = own
	}
	return all, nil
}

// Network modes in which routers listen on TCP too.
const modeBridge = "bridge"

func networkMode(t *task.Task, router *task.Container) string {
	if t.NetworkMode == task.NetworkAWSVPC {
		return task.NetworkAWSVPC
	}
	return cmp.Or(router.RawNetworkMode(), modeBridge)
}

// memoryOf is the memory of a router in MiB: what it is sure to have, else the most it gets; 0 when neither is said.
func memoryOf(router *task.Container) int64 {
	var raw struct{ MemoryReservation int64 } // bytes
	if router.DockerConfig.HostConfig != nil {
		_ = json.Unmarshal([]byte(*router.DockerConfig.HostConfig), &raw) // checked by LogConfig
	}
	if reserved := raw.MemoryReservation >> 20; reserved > 0 {
		return reserved
	}
	return int64(router.Memory)
}

package agentcontainer

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/ecs-init/log"
	"github.com/aws/amazon-ecs-agent/ecs-init/settings"
)

const (
	logDriverName  = "ECS_LOG_DRIVER"
	logOptsName    = "ECS_LOG_OPTS"
	jsonFileDriver = "json-file"
)

var logDrivers = []string{"awslogs", "fluentd", "gelf", jsonFileDriver, "journald", "logentries", "syslog", "splunk"}

// logConfig says where the agent's container logs to.
func logConfig(process settings.Process) container.LogConfig {
	driver, options := process(logDriverName), logOptions(process(logOptsName))
	switch {
	case driver == "":
		driver = jsonFileDriver
	case !slices.Contains(logDrivers, driver):
		log.Warnf("Input value for %q is not a supported log driver, overriding to %s and using default log options", logDriverName, jsonFileDriver)
		driver, options = jsonFileDriver, nil
	}
	if driver == jsonFileDriver && options == nil {
		options = map[string]string{
			"max-size": or(process("ECS_INIT_DOCKER_LOG_FILE_SIZE"), "16m"),
			"max-file": or(process("ECS_INIT_DOCKER_LOG_FILE_NUM"), "4"),
		}
	}
	return container.LogConfig{Type: driver, Config: options}
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// logOptions reads a JSON object of strings; nil when there is none. An empty object is not nil.
func logOptions(text string) map[string]string {
	if text == "" {
		return nil
	}
	var options map[string]string
	err := json.Unmarshal([]byte(text), &options)
	if err == nil && options == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		log.Warnf("Invalid format for %q, expected a json object with string key value. error: %v", logOptsName, err)
		return nil
	}
	return options
}

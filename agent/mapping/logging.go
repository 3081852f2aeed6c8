package mapping

import (
	"errors"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Options of Docker's log drivers that the agent fills in.
const (
	optionCredentialsEndpoint = "awslogs-credentials-endpoint"
	optionLogsEndpoint        = "awslogs-endpoint"
	optionLogsRegion          = "awslogs-region"
	optionMode                = "mode"
	optionBufferSize          = "max-buffer-size"
)

// logsEndpointRegions are the regions whose CloudWatch Logs address older Docker engines do not know.
var logsEndpointRegions = []string{
	"us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1",
	"us-isof-south-1", "us-isof-east-1", "eu-isoe-west-1", "eusc-de-east-1",
}

// logsCredentialsEndpoint lets the log driver use the task's execution role. Docker prepends the agent's address.
func logsCredentialsEndpoint(b *build) error {
	if b.c.LogsAuthStrategy != "ExecutionRole" {
		return nil
	}
	id := b.task.ExecutionCredentialsID
	if id == "" {
		//lint:ignore ST1005 the text users see
		return errors.New("No execution credentials set for the task")
	}
	if held, _ := b.facts.Credentials.Get(id); held == nil {
		//lint:ignore ST1005 the text users see
		return errors.New("Unable to get execution role credentials for task")
	}
	b.setLogOption(optionCredentialsEndpoint, CredentialsPath(id))
	return nil
}

// logsEndpoint tells the awslogs driver where CloudWatch Logs is, where it cannot know. What fails here is left to the
// driver: it may know better.
func logsEndpoint(b *build) error {
	if b.HostConfig.LogConfig.Type != "awslogs" {
		return nil
	}
	if b.facts.IPv6Only {
		dualStackLogsEndpoint(b)
		return nil
	}
	if slices.Contains(logsEndpointRegions, b.facts.Region) {
		b.setLogsEndpoint(b.facts.Region, false)
	}
	return nil
}

// dualStackLogsEndpoint picks an address with IPv6 on instances that have no IPv4.
func dualStackLogsEndpoint(b *build) {
	options := b.HostConfig.LogConfig.Config
	region := options[optionLogsRegion]
	if options[optionLogsEndpoint] != "" || region == "" {
		return
	}
	takesEndpoint, err := b.facts.ServerAtLeast(18, 9, 0)
	if err != nil {
		b.logsEndpointFailed(err)
		return
	}
	if takesEndpoint {
		b.setLogsEndpoint(region, true)
	}
}

func (b *build) setLogsEndpoint(region string, dualStack bool) {
	endpoint, err := b.facts.LogsEndpoint(region, dualStack)
	if err != nil {
		b.logsEndpointFailed(err)
		return
	}
	b.setLogOption(optionLogsEndpoint, endpoint)
}

func (b *build) logsEndpointFailed(err error) {
	logger.Warn("Cannot find the CloudWatch Logs endpoint for the container's logs; set the log option "+optionLogsEndpoint,
		logger.F("taskARN", b.task.ARN), logger.F("containerName", b.c.Name), logger.Err(err))
}

// logBuffer bounds the buffer of logs that do not block the container.
func logBuffer(b *build) error {
	options := b.HostConfig.LogConfig.Config
	if _, set := options[optionBufferSize]; options[optionMode] == "non-blocking" && !set {
		b.setLogOption(optionBufferSize, "10m")
	}
	return nil
}

func (b *build) setLogOption(name, value string) {
	if b.HostConfig.LogConfig.Config == nil {
		b.HostConfig.LogConfig.Config = map[string]string{}
	}
	b.HostConfig.LogConfig.Config[name] = value
}

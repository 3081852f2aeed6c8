package ecsapi

import (
	"context"
	"errors"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Errors of an answer that lacks the wanted endpoint. The texts are those users know.
var (
	errNoEndpoint               = errors.New("no endpoint returned; nil")
	errNoTelemetryEndpoint      = errors.New("no telemetry endpoint returned; nil")
	errNoServiceConnectEndpoint = errors.New("no ServiceConnect endpoint returned; nil")
)

const (
	pollEndpointTTL = 12 * time.Hour
	// pollEndpointBudget is three attempts that all time out.
	pollEndpointBudget = 3 * awsclient.AttemptTimeout
)

// pollEndpoints keeps the last answer per container instance. It outlives its time to live: an old answer is better than
// none when the service does not give a new one.
type pollEndpoints struct {
	// turn is a mutex whose waiters can give up: concurrent callers make one request. It guards answers.
	turn    chan struct{}
	answers map[string]pollAnswer
}

type pollAnswer struct {
	ACS            string `json:"endpoint"`
	TCS            string `json:"telemetryEndpoint"`
	ServiceConnect string `json:"serviceConnectEndpoint"`
	expires        time.Time
}

func newPollEndpoints() pollEndpoints {
	return pollEndpoints{turn: make(chan struct{}, 1), answers: map[string]pollAnswer{}}
}

// DiscoverPollEndpoint returns the base URL of the control session (ACS).
func (c *Client) DiscoverPollEndpoint(ctx context.Context, cluster, containerInstanceARN string) (string, error) {
	a, err := c.discover(ctx, cluster, containerInstanceARN)
	return wanted(a.ACS, err, errNoEndpoint)
}

// DiscoverTelemetryEndpoint returns the base URL of the telemetry session (TCS).
func (c *Client) DiscoverTelemetryEndpoint(ctx context.Context, cluster, containerInstanceARN string) (string, error) {
	a, err := c.discover(ctx, cluster, containerInstanceARN)
	return wanted(a.TCS, err, errNoTelemetryEndpoint)
}

// DiscoverServiceConnectEndpoint returns the base URL used by the Service Connect relay.
func (c *Client) DiscoverServiceConnectEndpoint(ctx context.Context, cluster, containerInstanceARN string) (string, error) {
	a, err := c.discover(ctx, cluster, containerInstanceARN)
	return wanted(a.ServiceConnect, err, errNoServiceConnectEndpoint)
}

func wanted(endpoint string, err, missing error) (string, error) {
	if err == nil && endpoint == "" {
		err = missing
	}
	return endpoint, err
}

func (c *Client) discover(ctx context.Context, cluster, containerInstanceARN string) (pollAnswer, error) {
	select {
	case c.poll.turn <- struct{}{}:
		defer func() { <-c.poll.turn }()
	case <-ctx.Done():
		return pollAnswer{}, ctx.Err()
	}
	known, found := c.poll.answers[containerInstanceARN]
	if found && time.Now().Before(known.expires) {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, pollEndpointBudget)
	defer cancel()
	var fresh pollAnswer
	err := c.call(ctx, "DiscoverPollEndpoint", c.standard, struct {
		Cluster           string `json:"cluster"`
		ContainerInstance string `json:"containerInstance"`
		ZoneID            string `json:"zoneId"`
	}{cluster, containerInstanceARN, ""}, &fresh)
	if err != nil {
		if !found {
			return pollAnswer{}, err
		}
		logger.Warn("Could not discover the poll endpoint; using the one known from before", logger.F("endpoint", known.ACS), logger.Err(err))
		return known, nil
	}
	fresh.expires = time.Now().Add(pollEndpointTTL)
	c.poll.answers[containerInstanceARN] = fresh
	return fresh, nil
}

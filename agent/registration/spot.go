package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Drainer sets a container instance to DRAINING.
type Drainer interface {
	DrainContainerInstance(ctx context.Context, cluster, containerInstanceARN string) error
}

// SpotWatch drains the container instance when EC2 is about to take the instance away. Stopping the tasks is then up to
// the service.
type SpotWatch struct {
	Metadata             Metadata
	ECS                  Drainer
	Cluster              string
	ContainerInstanceARN string
}

const spotPoll = time.Second

// Run polls for an interruption notice until the instance is draining or ctx ends. It returns nil in both cases.
func (w *SpotWatch) Run(ctx context.Context) error {
	var told *string // the bad notice already logged
	for ctx.Err() == nil {
		// An error is the normal answer: there is no notice.
		if body, err := w.Metadata.Get(ctx, pathSpotAction); err == nil {
			action, err := parseSpotNotice(body)
			switch {
			case err == nil:
				if w.drain(ctx, action) {
					return nil
				}
			case told == nil || *told != body:
				told = &body
				logger.Error("Bad spot interruption notice", logger.Err(err))
			}
		}
		_ = backoff.Sleep(ctx, spotPoll)
	}
	return nil
}

func (w *SpotWatch) drain(ctx context.Context, action string) bool {
	logger.Info("Received a spot interruption notice; setting the container instance to DRAINING", logger.F("action", action))
	if err := w.ECS.DrainContainerInstance(ctx, w.Cluster, w.ContainerInstanceARN); err != nil {
		logger.Error("Could not set the container instance to DRAINING; trying again", logger.Err(err))
		return false
	}
	return true
}

// parseSpotNotice returns the action of a notice such as {"action":"terminate","time":"2017-09-18T08:22:00Z"}.
func parseSpotNotice(body string) (string, error) {
	var notice struct {
		Action string `json:"action"`
	}
	if err := json.Unmarshal([]byte(body), &notice); err != nil {
		return "", fmt.Errorf("spot notice %.100q: %w", body, err)
	}
	if !slices.Contains([]string{"hibernate", "terminate", "stop"}, notice.Action) {
		return "", fmt.Errorf("spot notice %.100q: action is none of hibernate, terminate, stop", body)
	}
	return notice.Action, nil
}

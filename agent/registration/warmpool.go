package registration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const (
	inService        = "InService"
	lifecyclePoll    = time.Minute
	lifecycleAppears = 120 // polls until a state must have been seen
	// lifecycleHiccups is how many polls in a row may find no answer at all, or no state where there was one before.
	lifecycleHiccups = 5
)

// WaitInService waits until Auto Scaling takes the instance out of its warm pool. A black-holed metadata service ends the
// wait at once. Errors are [*ExitError]s, except for the end of ctx.
func WaitInService(ctx context.Context, md Metadata) error {
	return waitInService(ctx, md, lifecycleAppears)
}

func waitInService(ctx context.Context, md Metadata, maxFirstPolls int) error {
	seen := false
	hiccups := 0
	for poll := 1; ; poll++ {
		state, err := ask(ctx, md, pathLifecycle, nil)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case err == nil && state == inService:
			return nil
		case err == nil && state != "":
			seen, hiccups = true, 0
			logger.Info("Waiting for the instance to go into service", logger.F("targetLifecycleState", state))
		case imds.IsBlackholed(err):
			return nil
		default:
			if fatal := lifecycleFatal(err, seen, poll >= maxFirstPolls, &hiccups); fatal != nil {
				//lint:ignore ST1005 users know this text
				return terminal(fmt.Errorf("Could not determine target lifecycle of instance: %w", fatal))
			}
		}
		if err := backoff.Sleep(ctx, lifecyclePoll); err != nil {
			return err
		}
	}
}

// lifecycleFatal decides about a poll that gave no state. It returns nil when the next poll may do better. Outages of the
// metadata service are waited out: only a definite answer, or nothing at all for long, ends the agent for good.
func lifecycleFatal(err error, seen, lastFirstPoll bool, hiccups *int) error {
	if err == nil {
		err = fmt.Errorf("empty state")
	}
	status := imds.StatusCode(err)
	switch {
	case !seen && lastFirstPoll, errors.Is(err, imds.ErrDisabled):
		return err
	case !seen && status == http.StatusNotFound:
		return nil
	case seen && slices.Contains([]int{http.StatusTooManyRequests, 500, 502, 503, 504}, status):
	case status == 0, seen && status == http.StatusNotFound:
		if *hiccups++; *hiccups >= lifecycleHiccups {
			return err
		}
	default:
		return err
	}
	logger.Warn("Could not get the target lifecycle state; trying again", logger.Err(err))
	return nil
}

package registration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/imds"
)

// Metadata reads one value of the instance metadata service; paths are relative to /latest/. Errors are those of
// [imds.Client].
type Metadata interface {
	Get(ctx context.Context, path string) (string, error)
}

// Paths below /latest/.
const (
	pathInstanceID   = "meta-data/instance-id"
	pathMAC          = "meta-data/mac"
	pathInterfaces   = "meta-data/network/interfaces/macs/"
	pathZoneID       = "meta-data/placement/availability-zone-id"
	pathOutpost      = "meta-data/outpost-arn"
	pathLifecycle    = "meta-data/autoscaling/target-lifecycle-state"
	pathSpotAction   = "meta-data/spot/instance-action"
	pathUserData     = "user-data"
	pathIdentity     = "dynamic/instance-identity/document"
	pathIdentitySign = "dynamic/instance-identity/signature"
)

const metadataTries = 5

var metadataRetry = backoff.Policy{First: time.Second, Longest: 5 * time.Second, Factor: 1.3, Jitter: 0.2}

// ask reads a value that the start depends on: up to five calls, ended early by an answer or a black-holed service. giveUp
// may end it for other errors; nil means none.
func ask(ctx context.Context, md Metadata, path string, giveUp func(error) bool) (string, error) {
	wait := metadataRetry.Start()
	for n := 1; ; n++ {
		value, err := md.Get(ctx, path)
		if err == nil {
			return strings.TrimSpace(value), nil
		}
		if n == metadataTries || imds.NeverAnswers(err) || giveUp != nil && giveUp(err) {
			return "", err
		}
		if wait.Sleep(ctx) != nil {
			return "", withCause(ctx, err)
		}
	}
}

// InstanceID returns the EC2 instance id.
func InstanceID(ctx context.Context, md Metadata) (string, error) {
	return ask(ctx, md, pathInstanceID, nil)
}

// AvailabilityZoneID returns the id of the zone, which unlike its name means the same in all accounts.
func AvailabilityZoneID(ctx context.Context, md Metadata) (string, error) {
	return ask(ctx, md, pathZoneID, nil)
}

// notThere reports whether the service answered that the value does not exist.
func notThere(err error) bool { return imds.StatusCode(err) == http.StatusNotFound }

// sleepWithin waits for d and reports whether ctx is still alive. A pause that cannot end before ctx's deadline is not
// begun: the time would be lost.
func sleepWithin(ctx context.Context, d time.Duration) bool {
	if deadline, bounded := ctx.Deadline(); bounded && time.Until(deadline) <= d {
		return false
	}
	return backoff.Sleep(ctx, d) == nil
}

// withCause adds the reason why ctx ended, if it has, to the error of the last try.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
}

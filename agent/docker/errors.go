package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// step is how one Docker call may fail: the name of its errors (empty: they stay unnamed), and what the timeout text
// says was being done.
type step struct {
	name  string
	doing string
	limit time.Duration
}

// defaultInspectLimit is for inspects of containers when ECS_CONTAINER_INSPECT_TIMEOUT does not say otherwise.
const defaultInspectLimit = 30 * time.Second

// Time limits of calls that have no setting of their own.
const (
	defaultStopLimit  = 2 * time.Minute // beyond the container's own stop timeout
	removeLimit       = 5 * time.Minute
	listLimit         = 10 * time.Minute
	volumeLimit       = 5 * time.Minute
	pluginsLimit      = time.Minute
	systemLimit       = 10 * time.Second // version, info
	pingLimit         = 5 * time.Second
	tagLimit          = 30 * time.Second
	imageInspectLimit = 30 * time.Second
	removeImageLimit  = 3 * time.Minute
	loadLimit         = 2 * time.Minute
	eventsOpenLimit   = time.Minute
	statsLimit        = 18 * time.Second
	pullBeginLimit    = 5 * time.Minute
)

// guarded makes one call under the step's time limit and names its error. A daemon that hangs ends in a
// DockerTimeoutError; a call cancelled by the caller keeps the step's own name.
func guarded[T any](ctx context.Context, s step, call func(context.Context) (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	result, err := call(limited)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded):
		return result, Timeout(s.doing, s.limit)
	case s.name == "":
		return result, err
	default:
		return result, task.NewError(s.name, err)
	}
}

// guardedDo is guarded for calls without a result.
func guardedDo(ctx context.Context, s step, call func(context.Context) error) error {
	_, err := guarded(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// Timeout is the error of a call that took longer than limit; doing is the word users know for it ("pulled", "created").
func Timeout(doing string, limit time.Duration) *task.Error {
	return &task.Error{
		Name:    task.ErrDockerTimeout,
		Message: fmt.Sprintf("Could not transition to %s; timed out after waiting %s", doing, limit),
		Cause:   context.DeadlineExceeded,
	}
}

// IsNotFound reports whether the daemon or the registry said that the thing does not exist (HTTP 404).
func IsNotFound(err error) bool { return errdefs.IsNotFound(err) }

// IsConflict reports whether the daemon refused because of another thing, such as a container of the same name (HTTP 409).
func IsConflict(err error) bool { return errdefs.IsConflict(err) }

// IsRefused reports whether the answer is definite: the request or the credentials are wrong (HTTP 400, 401, 403).
func IsRefused(err error) bool {
	return errdefs.IsInvalidArgument(err) || errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err)
}

// gone marks the daemon's "no such container" with task.ErrGone.
func gone(err error) error {
	if !IsNotFound(err) {
		return err
	}
	return &goneError{err}
}

// goneError keeps the daemon's text and is both task.ErrGone and what the daemon's error is.
type goneError struct{ cause error }

func (e *goneError) Error() string   { return e.cause.Error() }
func (e *goneError) Unwrap() []error { return []error{task.ErrGone, e.cause} }

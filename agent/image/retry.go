package image

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// retry says how often and how fast something is tried again.
type retry struct {
	tries int // in all
	backoff.Policy
}

var (
	// manifestRetry starts fast: a task network that was just set up may need a moment before it carries traffic.
	manifestRetry = retry{9, backoff.Policy{First: 10 * time.Millisecond, Longest: 5 * time.Second, Factor: 3, Jitter: 0.2}}
	// pullRetry starts at more than a second, so that the rate limits of Amazon ECR can recover.
	pullRetry = retry{5, backoff.Policy{First: 1100 * time.Millisecond, Longest: 5 * time.Second, Factor: 2, Jitter: 0.2}}
	tagRetry  = retry{5, backoff.Policy{First: 100 * time.Millisecond, Longest: 100 * time.Millisecond, Factor: 1}}
)

// do makes attempts until one succeeds, fails for good, or the context ends. Attempts give errors fit for the log.
func (r retry) do(ctx context.Context, what, image string, attempt func(context.Context) *task.Error) *task.Error {
	pauses := r.Start()
	for try := 1; ; try++ {
		err := attempt(ctx)
		if err == nil || try == r.tries || ctx.Err() != nil || definite(err) {
			return err
		}
		wait := pauses.Next()
		logger.Warn(what+" failed; trying again", logger.F("image", image), logger.F("try", try), logger.F("wait", wait), logger.Err(err))
		if backoff.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// Texts of registries and daemons, in lower case. Some answers come without a usable HTTP status: in the stream of a
// pull, or as a 500 of the daemon.
var (
	transientTexts = []string{"toomanyrequests", "too many requests", "rate exceeded", "timeout", "timed out"}
	definiteTexts  = []string{
		"manifest unknown", "name unknown", "repository does not exist", "no matching manifest",
		"denied: ", "unauthorized: ", "401 unauthorized", "403 forbidden", "authentication required", "no basic auth credentials",
		"invalid reference format", "repository name must not be more than", "no manifest found for full image id",
	}
)

// definite reports whether trying again is of no use: the registry or the daemon said that the image does not exist, may
// not be pulled, or is no image name; or credentials are missing, or the daemon is too old for the call.
func definite(err *task.Error) bool {
	if err.Name == task.ErrCannotPullECRContainer || err.Name == task.ErrCannotPullContainerAuth || errors.Is(err, errors.ErrUnsupported) {
		return true
	}
	text := strings.ToLower(err.Message)
	if containsAny(text, transientTexts) {
		return false
	}
	return docker.IsNotFound(err) || docker.IsRefused(err) || containsAny(text, definiteTexts) || strings.HasSuffix(text, ": not found")
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

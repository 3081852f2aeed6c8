package image

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// retry says how often and how fast something is tried again.
type retry struct {
	tries       int // in all
	first, most time.Duration
	factor      float64
	jitter      float64 // share of the wait added at random
}

var (
	// manifestRetry starts fast: a task network that was just set up may need a moment before it carries traffic.
	manifestRetry = retry{tries: 9, first: 10 * time.Millisecond, most: 5 * time.Second, factor: 3, jitter: 0.2}
	// pullRetry starts at more than a second, so that the rate limits of Amazon ECR can recover.
	pullRetry = retry{tries: 5, first: 1100 * time.Millisecond, most: 5 * time.Second, factor: 2, jitter: 0.2}
	tagRetry  = retry{tries: 5, first: 100 * time.Millisecond, most: 100 * time.Millisecond, factor: 1}
)

// do makes attempts until one succeeds, fails for good, or the context ends. Attempts give errors fit for the log.
func (r retry) do(ctx context.Context, what, image string, attempt func(context.Context) *task.Error) *task.Error {
	wait := r.first
	for try := 1; ; try++ {
		err := attempt(ctx)
		if err == nil || try == r.tries || ctx.Err() != nil || definite(err) {
			return err
		}
		logger.Warn(what+" failed; trying again", logger.F("image", image), logger.F("try", try), logger.F("wait", wait), logger.Err(err))
		pause := time.NewTimer(wait + time.Duration(rand.Float64()*r.jitter*float64(wait)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		wait = min(time.Duration(float64(wait)*r.factor), r.most)
	}
}

// Texts of registries and daemons, in lower case. Some answers come without a usable HTTP status: in the stream of a
// pull, or as a 500 of the daemon.
var (
	transientTexts = []string{"toomanyrequests", "too many requests", "rate exceeded", "timeout", "timed out"}
	definiteTexts  = []string{
		"manifest unknown", "name unknown", "repository does not exist", "no matching manifest",
		"denied: ", "unauthorized: ", "401 unauthorized", "403 forbidden", "authentication required", "no basic auth credentials",
		"invalid reference format",
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

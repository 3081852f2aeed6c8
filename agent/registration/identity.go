package registration

import (
	"context"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/backoff"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Credentials are those of the instance.
type Credentials interface {
	Retrieve(ctx context.Context) (awsclient.Credentials, error)
	Invalidate()
}

// identityBudget bounds the time spent on each of document and signature.
const identityBudget = 30 * time.Second

// instanceIdentity fetches the signed document by which the instance proves itself. Without it the service goes by the
// credentials alone, so a failure is no error: both are then empty.
func instanceIdentity(ctx context.Context, md Metadata, creds Credentials) (document, signature string) {
	document, err := fetchIdentity(ctx, md, pathIdentity, func() {
		// Right after a boot the credentials can be stale although they have not expired.
		creds.Invalidate()
		if _, err := creds.Retrieve(ctx); err != nil {
			logger.Warn("Could not refresh the instance credentials", logger.Err(err))
		}
	})
	if err != nil {
		logger.Error("Unable to get instance identity document; registering without it", logger.Err(err))
		return "", ""
	}
	signature, err = fetchIdentity(ctx, md, pathIdentitySign, func() {})
	if err != nil {
		logger.Error("Unable to get instance identity signature; registering without it", logger.Err(err))
	}
	return document, signature
}

var identityRetry = backoff.Policy{First: 100 * time.Millisecond, Longest: 5 * time.Second, Factor: 2, Jitter: 0.2}

func fetchIdentity(ctx context.Context, md Metadata, path string, failed func()) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, identityBudget)
	defer cancel()
	wait := identityRetry.Start()
	for {
		text, err := md.Get(ctx, path)
		if err == nil {
			return text, nil
		}
		if imds.NeverAnswers(err) || notThere(err) {
			return "", err
		}
		failed()
		if wait.Sleep(ctx) != nil {
			return "", err
		}
	}
}

package awsclient

import (
	"context"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// retryRefreshAfter is how long still valid credentials are used after a failed refresh before the next try.
const retryRefreshAfter = 30 * time.Second

// Cache keeps the credentials of the instance until their expiry. All AWS clients of the agent share one, so that a
// refresh is made once.
type Cache struct {
	origin source
	// turn is a mutex whose waiters can give up; it guards the fields below.
	turn    chan struct{}
	current lease
}

func newCache(origin source) *Cache {
	return &Cache{origin: origin, turn: make(chan struct{}, 1)}
}

// Retrieve returns the cached credentials, fetching them when there are none or when they are due. Credentials that are
// due but not yet expired survive a failed refresh.
func (c *Cache) Retrieve(ctx context.Context) (Credentials, error) {
	if err := c.lock(ctx); err != nil {
		return Credentials{}, err
	}
	defer c.unlock()

	now := time.Now()
	if c.current.Valid() && (c.current.refreshAt.IsZero() || now.Before(c.current.refreshAt)) {
		return c.current.Credentials, nil
	}
	fresh, err := c.origin.fetch(ctx)
	if err != nil {
		if c.current.Valid() && now.Before(c.current.Expires) && ctx.Err() == nil {
			c.current.refreshAt = now.Add(retryRefreshAfter)
			logger.Warn("Could not refresh the instance credentials; using the previous ones",
				logger.F("credentials", c.current.String()), logger.F("expires", c.current.Expires.UTC().Format(time.RFC3339)), logger.Err(err))
			return c.current.Credentials, nil
		}
		return Credentials{}, err
	}
	c.current = fresh
	logger.Debug("Fetched instance credentials", logger.F("provider", fresh.Source), logger.F("keyID", maskKeyID(fresh.AccessKeyID)))
	return fresh.Credentials, nil
}

// Invalidate drops the cached credentials, so that the next Retrieve fetches them. For callers that learnt that the
// credentials are stale although they have not expired.
func (c *Cache) Invalidate() {
	_ = c.lock(context.Background()) // cannot fail; a fetch in flight ends with its own context
	c.current = lease{}
	c.unlock()
}

func (c *Cache) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Cache) unlock() { <-c.turn }

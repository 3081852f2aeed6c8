package image

import (
	"context"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/flight"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// localImages answers questions about images on the host. An answer is good for a few seconds, so that the steps of one
// container, and of many containers started together, share one inspect. That an image is missing is not remembered.
type localImages struct {
	docker  Docker
	flights flight.Group[docker.Image]

	mu     sync.Mutex
	recent map[string]recentImage
}

type recentImage struct {
	info docker.Image
	at   time.Time
}

// localFresh is how long an answer is good for.
const localFresh = 5 * time.Second

func (l *localImages) inspect(ctx context.Context, name string) (docker.Image, error) {
	l.mu.Lock()
	recent, ok := l.recent[name]
	l.mu.Unlock()
	if ok && time.Since(recent.at) < localFresh {
		return recent.info, nil
	}
	return l.flights.Do(ctx, name, func(ctx context.Context) (docker.Image, error) { return l.refresh(ctx, name) })
}

// refresh asks Docker.
func (l *localImages) refresh(ctx context.Context, name string) (docker.Image, error) {
	info, err := l.docker.InspectImage(ctx, name)
	if err == nil {
		l.remember(name, info, time.Now())
	}
	return info, err
}

// remember also drops what is too old, so that the map does not grow.
func (l *localImages) remember(name string, info docker.Image, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent == nil {
		l.recent = map[string]recentImage{}
	}
	for key, r := range l.recent {
		if now.Sub(r.at) >= localFresh {
			delete(l.recent, key)
		}
	}
	l.recent[name] = recentImage{info: info, at: now}
}

// forget makes every question go to Docker again.
func (l *localImages) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.recent)
}

// SetsRegion says whether the container's image sets AWS_REGION or AWS_DEFAULT_REGION, if only to nothing. The answer is
// what was recorded when the image was pulled or first used; otherwise the image is inspected. An image that cannot be
// inspected sets nothing.
func (p *Puller) SetsRegion(c *task.Container) bool {
	if recorded, ok := p.records.env(c.ImageID, c.Image); ok {
		return recorded["AWS_REGION"] || recorded["AWS_DEFAULT_REGION"]
	}
	info, err := p.local.inspect(context.Background(), c.Image)
	return err == nil && len(envKeys(info.Env)) > 0
}

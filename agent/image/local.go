package image

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// localImages answers questions about images on the host. An answer is good for a few seconds, so that the steps of one
// container, and of many containers started together, share one inspect. That an image is missing is not remembered.
type localImages struct {
	docker  Docker
	flights flights[docker.Image]

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
	return l.flights.do(ctx, name, func(ctx context.Context) (docker.Image, error) { return l.refresh(ctx, name) })
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

// HasEnvKey reports whether the image's configuration sets one of the variables, if only to nothing. Region variables
// come from what was recorded when the image was pulled or first used; otherwise the image is inspected. An image that
// cannot be inspected sets nothing.
func (p *Puller) HasEnvKey(ctx context.Context, image string, keys ...string) bool {
	return p.hasEnvKey(ctx, "", image, keys)
}

// SetsRegion says whether the container's image sets AWS_REGION or AWS_DEFAULT_REGION, if only to nothing.
func (p *Puller) SetsRegion(c *task.Container) bool {
	return p.hasEnvKey(context.Background(), c.ImageID, c.Image, managedEnvKeys)
}

func (p *Puller) hasEnvKey(ctx context.Context, id, image string, keys []string) bool {
	if recorded, ok := p.records.env(id, image); ok && !slices.ContainsFunc(keys, unmanaged) {
		return slices.ContainsFunc(keys, func(key string) bool { return recorded[key] })
	}
	info, err := p.local.inspect(ctx, image)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(keys, func(key string) bool { return hasEnv(info.Env, key) })
}

func unmanaged(key string) bool { return !slices.Contains(managedEnvKeys, key) }

// LocalDigest is the digest of an image on this host when the manifest step found none, for reports and metadata; empty
// when there is none either.
func (p *Puller) LocalDigest(ctx context.Context, image string) string {
	info, err := p.local.inspect(ctx, image)
	if err != nil {
		return ""
	}
	return spelledDigest(image, info.RepoDigests)
}

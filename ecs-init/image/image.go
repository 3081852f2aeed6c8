// Package image brings the agent's image into Docker: from the cache, by download, or as an update. It keeps the image
// an update replaced until the new one has proved itself.
package image

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/ecs-init/cache"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	name = "amazon/amazon-ecs-agent:latest"
	// previous is the name of the image that an update replaced. While it exists the new one is on trial.
	previous = "amazon/amazon-ecs-agent:previous"
)

// Docker is what this package needs of the daemon.
type Docker interface {
	InspectImage(ctx context.Context, name string) (docker.Image, error)
	LoadImage(ctx context.Context, tar io.Reader) error
	TagImage(ctx context.Context, source, target string) error
	RemoveImage(ctx context.Context, nameOrID string) error
}

// Store is the agent's image in Docker and in the cache.
type Store struct {
	Docker Docker
	Cache  cache.Dir
}

// Loaded reports whether Docker has the agent's image.
func (s Store) Loaded(ctx context.Context) (bool, error) {
	_, err := s.Docker.InspectImage(ctx, name)
	if docker.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// LoadCached loads the cached image. It was chosen by the host's packages, so it is not on trial.
func (s Store) LoadCached(ctx context.Context) error {
	file, err := s.Cache.OpenImage()
	if err != nil {
		return fmt.Errorf("could not load Amazon Elastic Container Service Agent from cache: %w", err)
	}
	if err := s.load(ctx, file); err != nil {
		return err
	}
	s.Keep(ctx)
	return nil
}

// Upgrade replaces the image by the one the agent downloaded for that, and puts it on trial.
func (s Store) Upgrade(ctx context.Context) error {
	file, err := s.Cache.OpenDesired()
	if err != nil {
		return fmt.Errorf("could not upgrade agent: %w", err)
	}
	defer file.Close()
	before, err := s.Docker.InspectImage(ctx, name)
	if err == nil {
		err = s.Docker.TagImage(ctx, before.ID, previous)
	}
	if err != nil {
		log.Warnf("could not keep the present image of the agent, the update cannot be undone: %v", err)
	}
	if err := s.load(ctx, file); err != nil {
		s.Keep(ctx) // the old image is still in its place
		return fmt.Errorf("could not upgrade agent: %w", err)
	}
	after, err := s.Docker.InspectImage(ctx, name)
	if err == nil && after.ID == before.ID {
		log.Warnf("the update of the agent did not change its image; does the archive carry the name %s?", name)
		s.Keep(ctx)
	}
	if err := s.Cache.DropStaged(); err != nil {
		log.Warnf("could not remove the files of the update: %v", err)
	}
	return nil
}

// load gives the archive to Docker, closes it, and records that Docker has the image.
func (s Store) load(ctx context.Context, archive *os.File) error {
	defer archive.Close()
	if err := s.Docker.LoadImage(ctx, archive); err != nil {
		return fmt.Errorf("could not load Amazon Elastic Container Service Agent into Docker: %w", err)
	}
	if err := s.Cache.SetCached(); err != nil {
		return fmt.Errorf("could not record the state of the cache: %w", err)
	}
	return nil
}

// OnTrial reports whether the present image came by an update and has not proved itself.
func (s Store) OnTrial(ctx context.Context) bool {
	_, err := s.Docker.InspectImage(ctx, previous)
	return err == nil
}

// Keep ends the trial in favour of the present image.
func (s Store) Keep(ctx context.Context) {
	if err := s.Docker.RemoveImage(ctx, previous); err != nil && !docker.IsNotFound(err) {
		log.Warnf("could not remove %s: %v", previous, err)
	}
}

// FallBack ends the trial against the present image: the previous one takes its place.
func (s Store) FallBack(ctx context.Context) error {
	if err := s.Docker.TagImage(ctx, previous, name); err != nil {
		return fmt.Errorf("could not go back to the agent's previous image: %w", err)
	}
	s.Keep(ctx)
	return nil
}

package app

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/image"
)

// registryAuth is where the registry credentials of tasks come from.
func (a *agent) registryAuth(r resources) image.Auth {
	return image.Auth{ECR: &image.ECR{Tokens: a.aws, Roles: &a.roles, Instance: a.pullCredentials()}, Password: r.secrets.RegistryAuth}
}

// pullCredentials are the instance's own, which are looked for in the same order on every host, also on external ones.
func (a *agent) pullCredentials() awsclient.CredentialsProvider {
	if !a.cfg.External {
		return a.instance
	}
	return awsclient.NewInstanceCredentials(awsclient.ChainOptions{
		Region: a.cfg.AWSRegion, RotatingProfile: a.cfg.AlternateCredentialProfile, Metadata: a.metadata, HTTP: a.http,
	})
}

// newCleaner gives the cleaner of images that no task uses. From now on pulls keep the room free that was asked for.
func (a *agent) newCleaner(ctx context.Context, images *image.Puller, tasks *engine.Engine) (*image.Cleaner, error) {
	cleaner := image.NewCleaner(a.cfg, images, a.docker, func() (ids, names []string) { return image.UsedBy(tasks.Tasks()) })
	if a.cfg.ImageCleanupFreeSpace == (config.FreeSpace{}) {
		return cleaner, nil
	}
	info, err := a.docker.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ECS_IMAGE_CLEANUP_FREE_SPACE_THRESHOLD: cannot ask Docker for its data directory: %w", err)
	}
	cleaner.KeepFree(a.cfg.ImageCleanupFreeSpace, image.DiskOf(info.DataRoot), tasks)
	return cleaner, nil
}

// prepull brings the images of ECS_PREPULL_IMAGES; it returns at once unless the registration is to wait for them.
func (a *agent) prepull(ctx context.Context, parts *errgroup.Group, images *image.Puller) {
	if a.cfg.PrepullWait {
		images.Prepull(ctx)
		return
	}
	parts.Go(func() error {
		images.Prepull(ctx)
		return nil
	})
}

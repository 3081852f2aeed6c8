package image

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// prepullsAtOnce is how many images are pulled at start at the same time, as the daemon does with layers.
const prepullsAtOnce = 3

// Prepull brings the images of ECS_PREPULL_IMAGES to the host, with the rules of a task's images, and returns when all
// pulls have ended. What fails is logged.
func (p *Puller) Prepull(ctx context.Context) {
	var pulls errgroup.Group
	pulls.SetLimit(p.prepullsAtOnce)
	for _, image := range p.prepull {
		pulls.Go(func() error {
			p.prepullOne(ctx, image)
			return nil
		})
	}
	_ = pulls.Wait()
}

func (p *Puller) prepullOne(ctx context.Context, image string) {
	t := &task.Task{ARN: "ECS_PREPULL_IMAGES", Desired: task.Running}
	c := &task.Container{Name: image, Image: image}
	manifest, err := p.ResolveManifest(ctx, t, c)
	if err == nil {
		c.ImageDigest = manifest.Digest
	} // else by name, as for a task
	if _, err = p.Pull(ctx, t, c); err != nil && ctx.Err() == nil {
		logger.Error("Cannot pull an image of ECS_PREPULL_IMAGES", logger.F("image", image), logger.Err(err))
		return
	}
	logger.Debug("An image of ECS_PREPULL_IMAGES is there", logger.F("image", image))
}

// keeps reports whether one of the names means an image of ECS_PREPULL_IMAGES, in whatever spelling.
func (p *Puller) keeps(names []string) bool {
	for _, name := range names {
		for _, image := range p.prepull {
			if name == image || normal(name) == normal(image) {
				return true
			}
		}
	}
	return false
}

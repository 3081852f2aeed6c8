package app

import (
	"context"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/metadatafile"
	"github.com/aws/amazon-ecs-agent/agent/registration"
)

// newMetadataFiles gives the metadata files of containers. Until the registration they tell what was saved about the
// instance.
func (a *agent) newMetadataFiles(identity registration.Identity) *metadatafile.Files {
	files := metadatafile.New(a.cfg.DataDir, a.cfg.DataDirOnHost, func(ctx context.Context) (bool, error) {
		info, err := a.docker.Info(ctx)
		return info.SELinux(), err
	})
	files.SetInstance(metadatafile.Instance{Cluster: a.cfg.Cluster, ARN: identity.ContainerInstanceARN, AvailabilityZone: identity.AvailabilityZone})
	return files
}

// tellInstance makes the metadata files tell about the registered instance. It precedes the first new task.
func (a *agent) tellInstance(ctx context.Context, registered registration.Result) {
	if !a.cfg.ContainerMetadataEnabled {
		return
	}
	in := metadatafile.Instance{Cluster: registered.Cluster, ARN: registered.ContainerInstanceARN, AvailabilityZone: registered.AvailabilityZone}
	if a.cfg.InstanceIPCompatibility.IPv6Only() {
		in.IPv6 = a.instanceAddress(ctx, "meta-data/ipv6")
	} else {
		in.PrivateIPv4 = a.instanceAddress(ctx, "meta-data/local-ipv4")
		in.PublicIPv4 = a.instanceAddress(ctx, "meta-data/public-ipv4")
	}
	a.files.SetInstance(in)
}

// instanceAddress is an address of the instance; empty when it has none or is not on EC2.
func (a *agent) instanceAddress(ctx context.Context, path string) string {
	text, err := a.metadata.Get(ctx, path)
	if err != nil {
		logger.Debug("An address of the instance is not known", logger.F("path", path), logger.Err(err))
		return ""
	}
	return strings.TrimSpace(text)
}

// completeMetadataFiles completes what a former run of the agent could not, once it is known which containers run.
func (a *agent) completeMetadataFiles(ctx context.Context, tasks *engine.Engine) {
	select {
	case <-tasks.Ready():
		a.runner.CompleteMetadataFiles(ctx, tasks.Tasks())
	case <-ctx.Done():
	}
}

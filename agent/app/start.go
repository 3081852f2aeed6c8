package app

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/container"
	"github.com/aws/amazon-ecs-agent/agent/engine"
	"github.com/aws/amazon-ecs-agent/agent/image"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/mapping"
	"github.com/aws/amazon-ecs-agent/agent/registration"
	"github.com/aws/amazon-ecs-agent/agent/report"
	"github.com/aws/amazon-ecs-agent/agent/store"
	"github.com/aws/amazon-ecs-agent/agent/task"
	"github.com/aws/amazon-ecs-agent/agent/version"
)

// endLimit bounds the wait for everything to end; Docker kills the agent's container 10 s after its signal.
const endLimit = 5 * time.Second

// start runs the agent: state first, then the tasks that run already and what they need (metadata, credentials), then
// registration, then the conversations with ECS. It returns when ctx ends or a part fails.
func (a *agent) start(ctx context.Context) error {
	host, err := a.examineHost(ctx)
	if err != nil {
		return err
	}
	identity, state, err := a.restore(ctx)
	if err != nil {
		return err
	}
	if a.cfg.TaskCPUMemLimit.Enabled, err = registration.CheckTaskLimits(a.cfg.TaskCPUMemLimit, anyUnlimited(state.Tasks)); err != nil {
		return err
	}
	if a.cfg.Cluster = identity.Cluster; a.cfg.Cluster == "" {
		a.cfg.Cluster = registration.DefaultCluster // what containers, reports and metadata name until registration says more
	}
	l := &life{agent: a, host: host, identity: identity, state: state}
	if err := l.assemble(ctx); err != nil {
		return err
	}
	err = l.run(ctx)
	l.tasks.Conclude()
	if saveErr := a.store.FinalSave(l.tasks.Tasks()); saveErr != nil && err == nil {
		logger.Critical("Error saving state before final shutdown", logger.Err(saveErr))
		return terminal(saveErr)
	}
	return err
}

// examineHost finds out what the host offers and makes it ready for limits of tasks.
func (a *agent) examineHost(ctx context.Context) (host registration.Resources, err error) {
	if err := registration.CheckCloudInit(ctx, a.metadata, registration.CloudInitResult); !a.cfg.External && err != nil {
		return host, err
	}
	if err := a.checkRuntime(ctx); err != nil {
		return host, err
	}
	if host, err = registration.HostResources(registration.ReadHost(), a.cfg); err != nil {
		return host, err
	}
	if a.gpu, err = a.readGPUs(); err != nil {
		return host, err
	}
	a.cgroups = a.findCgroups(ctx)
	return host, a.setUpLimits(ctx)
}

// waitFor waits for the parts of the agent, but not for ever once the end was asked for.
func waitFor(ctx context.Context, parts *errgroup.Group) error {
	over := make(chan error, 1)
	go func() { over <- parts.Wait() }()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-over:
		return err
	case <-time.After(endLimit):
		logger.Error("Some parts of the agent did not end in time", logger.F("limit", endLimit.String()))
		return ctx.Err()
	}
}

// restore reads what a former run left and decides who the agent goes on as.
func (a *agent) restore(ctx context.Context) (registration.Identity, *store.State, error) {
	instanceID := ""
	if a.store.Enabled() {
		instanceID, _ = registration.InstanceID(ctx, a.metadata)
	}
	state, err := a.store.Load()
	if err != nil {
		return registration.Identity{}, nil, terminal(err)
	}
	identity, err := registration.Restore(savedIdentity(state), instanceID, a.cfg.Cluster)
	if err != nil {
		return identity, nil, err
	}
	if identity.DropState {
		if err := a.store.Wipe(); err != nil {
			return identity, nil, terminal(err)
		}
		return identity, store.Fresh(), nil
	}
	return identity, state, nil
}

// reportLost ends the tasks, as far as ECS is concerned, of which neither a record nor a running container is left.
func reportLost(ctx context.Context, tasks *engine.Engine, lost []store.Lost) {
	select {
	case <-tasks.Surveyed():
	case <-ctx.Done():
		return
	}
	for _, l := range lost {
		if l.TaskARN != "" {
			tasks.Refuse(ctx, l.TaskARN, l.Reason())
		}
	}
}

func savedIdentity(state *store.State) registration.Saved {
	m := state.Metadata
	saved := registration.Saved{InstanceID: m.EC2InstanceID, Cluster: m.Cluster, ContainerInstanceARN: m.ContainerInstanceARN, AvailabilityZone: m.AvailabilityZone}
	if state.ManifestSequence >= 0 {
		saved.ManifestSequence = &state.ManifestSequence
	}
	return saved
}

// newEngine gives the engine its hands: images, Docker, task resources, the checkpoint and the reports.
func (a *agent) newEngine(host registration.Resources, resources resources, images *image.Puller, reporter *report.Reporter,
	identity registration.Identity) (*engine.Engine, error) {
	a.files = a.newMetadataFiles(identity)
	var err error
	a.runner, err = container.New(a.cfg, a.docker, images, &a.roles, container.Host{
		CgroupV2: a.cgroups.Unified, CgroupSlices: a.cgroups.Systemd, LogsEndpoint: logsEndpoint, MetadataFiles: a.files,
		Network: a.newNetwork(), Secret: resources.secrets.Secret, EnvironmentFiles: resources.envfiles.Variables,
	})
	if err != nil {
		return nil, err
	}
	behavior := a.cfg.ImagePullBehavior
	straysOf := ""
	if identity.ContainerInstanceARN != "" {
		straysOf = a.cfg.Cluster // ECS still counts on them being here
	}
	return engine.New(engine.Config{
		Rules: engine.Rules{
			PullMustSucceed: behavior == config.ImagePullAlways || behavior == config.ImagePullOnce,
			PullAlways:      behavior == config.ImagePullDefault || behavior == config.ImagePullAlways,
			PullUpfront:     a.cfg.DependentContainersPullUpfront,
			CleanupWait:     a.cfg.TaskCleanupWaitDuration,
		},
		CleanupJitter: a.cfg.TaskCleanupWaitDurationJitter,
		Host: engine.HostResources{CPU: int64(host.CPU), Memory: int64(host.MemoryMiB), GPUs: a.gpuIDs(),
			ReservedTCP: host.PortsTCP, ReservedUDP: host.PortsUDP},
		Resources:     resources.kinds,
		ContainerName: mapping.ContainerName,
		Credentials:   &a.roles,
		GPU:           a.gpuSupport(),

		NetworkPauseImage: a.cfg.PauseContainerImageName + ":" + a.cfg.PauseContainerTag,
		Forgotten: func(t *task.Task) {
			a.enis.Forget(t.ARN)
			images.Released(t)
		},
		AdoptStraysOf: straysOf,
		MaxStarts:     a.cfg.MaxConcurrentStarts,
	}, a.runner, a.store, a.sink(reporter)), nil
}

// register brings the instance into its cluster and keeps who it is now.
func (a *agent) register(ctx context.Context, identity registration.Identity, host registration.Resources) (registration.Result, error) {
	if a.cfg.WarmPoolsSupport {
		if err := registration.WaitInService(ctx, a.metadata); err != nil {
			return registration.Result{}, err
		}
	}
	ec2, err := awsclient.NewEC2(a.clientOptions())
	if err != nil {
		return registration.Result{}, err
	}
	if err := a.checkTaskNetworking(ctx, a.loadPauseImage(ctx)); err != nil {
		return registration.Result{}, err
	}
	registrar := &registration.Registrar{ECS: a.ecs, Metadata: a.metadata, Credentials: a.instance, EC2: ec2}
	result, err := registrar.Register(ctx, registration.Request{Facts: a.facts(ctx), Resources: host, Cluster: identity.Cluster, ContainerInstanceARN: identity.ContainerInstanceARN})
	if err != nil {
		return registration.Result{}, err
	}
	a.store.SaveMetadata(store.Metadata{
		AgentVersion: version.Version, AvailabilityZone: result.AvailabilityZone, Cluster: result.Cluster,
		ContainerInstanceARN: result.ContainerInstanceARN, EC2InstanceID: identity.InstanceID,
	})
	return result, nil
}

// logsEndpoint finds CloudWatch Logs in a region, for the awslogs driver.
func logsEndpoint(region string, dualStack bool) (string, error) {
	return awsclient.StandardEndpoint("logs", region, dualStack)
}
